"""An agent of one's own, in one file: it asks once, learns nothing, and never thinks twice."""

from starec_sim import Call, Settings, Step, Visit
from starec_sim.answers import labelled, read_decision
from starec_sim.types import Verdict

ASK = """\
You see a list of items with labels. {mood} Answer in exactly this form:
<ranking>all labels, best first, separated by " > "</ranking>"""


class MoodyAgent:
    class Config(Settings):
        mood: str = "Rank them by how much you would like them today."

    def __init__(self, config):
        self.system = ASK.format(mood=config.mood)
        self.history_limit = 40

    def prompts(self):
        return {"ranking": self.system}  # recorded with the run

    async def visit(self, call: Call) -> Visit:
        world, steps, memory = call.environment, (), call.memory
        while not steps or not steps[-1].feedback.ending:
            shown = world.observe(call.user, steps)
            liked = [world.items[lived.item].title for lived in memory.history if lived.liked]
            candidates = f"<candidates>\n{labelled(shown.cards)}\n</candidates>"
            question = f"You liked: {', '.join(liked[-10:])}.\n{candidates}"
            turn = await call.policies.ask(
                call.key(step=len(steps), node="fast"),
                (("system", self.system), ("user", question)),
            )
            decision, _ = read_decision(turn.completion, shown)
            feedback = world.respond(call.user, steps, shown, decision)
            memory = memory.after_step(feedback.experiences, "", self.history_limit)
            verdict = Verdict(False, "never thinks twice")
            steps += (Step(shown, decision, feedback, verdict, (turn,), memory),)
        return Visit(call.user, call.round, steps)
