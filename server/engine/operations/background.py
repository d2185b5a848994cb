"""What the server does by itself: jobs in worker processes, and the tasks that follow them."""

from collections.abc import Callable

from server.engine.execution.dispatcher import Dispatcher
from server.engine.follow_ups.follow_ups import Errands


class Background:
    """Starts and stops the dispatcher and the follow-up tasks.

    `dispatcher` is the one at work, if any. `stopping` is set by the application once it takes no more requests.
    """

    def __init__(self, make_dispatcher: Callable[[], Dispatcher], follow_ups: Errands) -> None:
        self._make_dispatcher = make_dispatcher
        self.follow_ups = follow_ups
        self.dispatcher: Dispatcher | None = None
        self.stopping = False

    def start(self) -> None:
        self.dispatcher = self._make_dispatcher()
        self.dispatcher.start()
        self.follow_ups.start()
        self.stopping = False

    async def stop(self) -> None:
        if self.dispatcher is not None:
            await self.follow_ups.stop()
            await self.dispatcher.stop()
            self.dispatcher = None
