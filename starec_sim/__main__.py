"""`python -m starec_sim` is `starec`; `torchrun -m starec_sim train ...` needs it."""

from starec_sim.cli import main

if __name__ == "__main__":
    main()
