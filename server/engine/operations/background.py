"""What the server does by itself: jobs in worker processes, and the tasks that follow them."""

from collections.abc import Callable

from server.engine.execution.dispatcher import Dispatcher
from server.engine.follow_ups.background_tasks import BackgroundTasks


class Background:
    """Starts and stops the dispatcher and the background tasks.

    `dispatcher` is the one at work, if any. `stopping` is set by the application once it takes no more requests.
    """

    def __init__(self, make_dispatcher: Callable[[], Dispatcher], tasks: BackgroundTasks) -> None:
        self._make_dispatcher = make_dispatcher
        self.tasks = tasks
        self.dispatcher: Dispatcher | None = None
        self.stopping = False

    def start(self) -> None:
        self.dispatcher = self._make_dispatcher()
        self.dispatcher.start()
        self.tasks.start()
        self.stopping = False

    async def stop(self) -> None:
        if self.dispatcher is not None:
            await self.tasks.stop()
            await self.dispatcher.stop()
            self.dispatcher = None
