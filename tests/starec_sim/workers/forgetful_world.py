"""A world for tests: from the third round on it has a visitor that no restored copy has."""

from starec_sim import ActionKind, Feedback, Item, Settings, Task, User, World


class ForgetfulWorld(World):
    class Config(Settings):
        pass

    task = Task("forgetful", (ActionKind("take"),))

    def set_up(self):
        self.users = [User(f"u{row}") for row in range(5)]
        self.items = [Item("1", "One"), Item("2", "Two")]
        self.rounds = 0  # is not kept

    def visitors(self, round):
        return range(4 + (self.rounds > 1))

    def offer(self, user, steps):
        return range(2)

    def react(self, user, steps, shown, decision):
        return Feedback((), ending="done")

    def after_round(self, visits):
        self.rounds += 1
        return {}
