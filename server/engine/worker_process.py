"""The entry of a worker process, and the kinds of import that it can run."""

from multiprocessing.connection import Connection

from server.engine.batches.lifecycle import Lifecycle
from server.engine.clock import Clock, utc_now
from server.engine.execution.control_import import prepare_by_control
from server.engine.execution.job_runner import JobRunner, LazyJobRunner
from server.engine.execution.worker import WorkerConfig, serve_orders
from server.engine.vendors.voss.bulk_plan import prepare_bulk
from server.engine.vendors.voss.transaction_states import execute_schedule
from server.logs import configure_logs
from storage.opening import Storage, open_storage
from storage.queues.base import JobQueue

# by a key of the job's payload: the function that prepares such a job; None for all others
PREPARERS = {"bulk": prepare_bulk, None: prepare_by_control}


def lifecycle_of(queue: JobQueue) -> Lifecycle:
    """Returns the lifecycle of jobs, with what the vendors' tables need of it."""
    return Lifecycle(queue, execute_schedule)


def job_runner(storage: Storage, clock: Clock = utc_now) -> JobRunner:
    return JobRunner(storage, lifecycle_of(storage.queue), PREPARERS, clock)


def main(pipe: Connection, config: WorkerConfig) -> None:
    """The entry of a worker process."""
    configure_logs(config.log_format)
    runner = LazyJobRunner(lambda: job_runner(open_storage(config.data_dir)))
    runner.try_early()
    serve_orders(pipe, config, runner)
