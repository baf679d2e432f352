"""Worlds keep the contract of an environment.

The check in another process imports this module there, so that it imports little; the bubble, whose
module has a policy, is in `test_bubble.py`.
"""

from starec_environments.worlds.music import Music
from starec_environments.worlds.news import News
from starec_environments.worlds.shop import Shop
from starec_environments.worlds.short_video import ShortVideo
from starec_sim.rng import Streams
from starec_sim.testing import EnvironmentSuite


class TestMusic(EnvironmentSuite):
    def make(self, seed):
        return Music(Music.Config(users=6, tracks=24), None, Streams(seed))


class TestNews(EnvironmentSuite):
    def make(self, seed):
        config = News.Config(users=8, stories=5, lives=2, page_size=10)
        return News(config, None, Streams(seed))


class TestShop(EnvironmentSuite):
    def make(self, seed):
        return Shop(Shop.Config(users=10, products=24, bundles=4), None, Streams(seed))


class TestShortVideo(EnvironmentSuite):
    def make(self, seed):
        return ShortVideo(ShortVideo.Config(users=6, videos=24), None, Streams(seed))
