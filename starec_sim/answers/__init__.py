"""The form of prompts and answers, in one place.

An agent asks for an answer in tags or as JSON. The answer is read strictly, and its flaws are put
into words for one repair call. Everything that writes or reads a label, a tag, a schema or a line
of a prompt uses this package. It knows no agent and needs no torch.

| module | what it holds |
|---|---|
| `tags` | names of sections and parts, and how they are written and found |
| `labelling` | A, B, C, ... for the places of a slate |
| `terms` | polarities, stars, experiences, and the counts of a summary |
| `prompt` | `read_prompt`: what a prompt asks for and shows |
| `json_schema` | the JSON schema of an answer |
| `expected` | the answer that a prompt expects |
| `grammar`, `number_ranges` | the grammar of an answer, for models that are held to it |
| `parts` | the parts of an answer in either form |
| `decisions`, `summaries` | strict reading of rankings, actions and texts |
| `findings` | what is wrong with an answer |
| `endings` | how an answer ended that is not whole |
| `token_ranks` | which token writes which rank of a ranking |
"""

from starec_sim.answers.decisions import read_decision
from starec_sim.answers.endings import ending_note
from starec_sim.answers.expected import expected_answer, schema_of
from starec_sim.answers.findings import MAX_ANSWER, Findings
from starec_sim.answers.json_schema import answer_schema, asked_parts, parts_schema
from starec_sim.answers.labelling import label, labelled, labels
from starec_sim.answers.parts import Form, to_json
from starec_sim.answers.prompt import (
    EXAMPLE_LINE,
    NOTHING_YET,
    SUMMARY_WORDS,
    PromptParts,
    Reviewed,
    ShownAct,
    read_prompt,
)
from starec_sim.answers.summaries import CHARACTERS_A_WORD, read_summary
from starec_sim.answers.tags import part, sections, thought, with_reasoning
from starec_sim.answers.terms import (
    DISLIKED,
    LIKED,
    ShownExperience,
    TermCount,
    card_terms,
    count_line,
    experience_line,
    outcome,
    read_counts,
    read_statements,
    stars,
)
from starec_sim.answers.token_ranks import token_ranks

__all__ = [
    "CHARACTERS_A_WORD",
    "DISLIKED",
    "EXAMPLE_LINE",
    "LIKED",
    "MAX_ANSWER",
    "NOTHING_YET",
    "SUMMARY_WORDS",
    "Findings",
    "Form",
    "PromptParts",
    "Reviewed",
    "ShownAct",
    "ShownExperience",
    "TermCount",
    "answer_schema",
    "asked_parts",
    "card_terms",
    "count_line",
    "ending_note",
    "expected_answer",
    "experience_line",
    "label",
    "labelled",
    "labels",
    "outcome",
    "part",
    "parts_schema",
    "read_counts",
    "read_decision",
    "read_prompt",
    "read_statements",
    "read_summary",
    "schema_of",
    "sections",
    "stars",
    "thought",
    "to_json",
    "token_ranks",
    "with_reasoning",
]
