"""Interviews: typed questions to the users of a run, as they were after a recorded round."""

from starec_sim.interviews.figures import AnswerFigure, answer_figures
from starec_sim.interviews.interview import InterviewOptions, interview
from starec_sim.interviews.people import UserSelection
from starec_sim.interviews.questions import InterviewQuestion, read_survey
from starec_sim.interviews.saved import Interview, InterviewAnswer, read_interviews

__all__ = [
    "AnswerFigure",
    "Interview",
    "InterviewAnswer",
    "InterviewOptions",
    "InterviewQuestion",
    "UserSelection",
    "answer_figures",
    "interview",
    "read_interviews",
    "read_survey",
]
