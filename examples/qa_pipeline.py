"""A QA pipeline to copy and change: listens to a share of the live calls for a while, and writes a report as JSON lines.

It knows Earshot from outside only: the list of calls by REST, and sessions as workflows of Temporal, started by name
(docs/workflow-contract.md). It needs Python 3.10 or later and what requirements.txt lists.
"""

import argparse
import asyncio
import hashlib
import json
import math
import os
import signal
import sys
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, TextIO

from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.converter import DataConverter
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

Session = WorkflowHandle[Any, dict[str, Any]]

CONFIRM_LIMIT_SECONDS = 120
"""How long a session may take until it listens. Earshot itself gives up after 60 s, unless it is set otherwise."""

STOP_LIMIT_SECONDS = 60
"""How long a stop is waited for. The session goes on trying for 24 h where the platform does not answer."""

FINE = {"listened", "interaction-ended", "leg-lost", "stopped", "already-running", "done-before"}
"""Neither a call that is over nor a person who wants the bot out of it is a fault."""


@dataclass(frozen=True)
class Options:
    share: float
    seed: str
    listen: float
    concurrency: int
    supervisor: str
    api: str
    api_key: str
    task_queue: str
    output: str | None


@dataclass(frozen=True)
class ReportLine:
    sessionId: str
    interactionId: str
    supervisorId: str
    runId: str | None = None
    startedAt: str | None = None
    """When the session was started."""
    listenedSeconds: float = 0
    """From the platform's word that the leg listens to the end."""
    outcome: str = "failed"
    """`listened` as long as was asked, or the session's `endReason`; `already-running`, `done-before`: none was
    started; `failed`: see `error`."""
    error: dict[str, str] | None = None


def live_calls(options: Options) -> list[str]:
    """All live calls, page by page."""
    ids: list[str] = []
    cursor: str | None = None
    while True:
        query = {"status": "connected", "limit": "200"} | ({} if cursor is None else {"cursor": cursor})
        request = urllib.request.Request(
            f"{options.api.rstrip('/')}/v1/interactions?{urllib.parse.urlencode(query)}",
            headers={"Authorization": f"Bearer {options.api_key}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                page = json.load(answer)
        except urllib.error.HTTPError as error:
            # A problem document (RFC 9457), whose text is meant for people.
            raise RuntimeError(f"GET /v1/interactions answered {error.code}: {error.read().decode()}") from error
        ids += [call["id"] for call in page["items"]]
        cursor = page["nextCursor"]
        if cursor is None:
            # A call may move to another page meanwhile.
            return list(dict.fromkeys(ids))


def is_sampled(interaction_id: str, options: Options) -> bool:
    """The same calls in each run and on each machine, and a smaller share is part of a larger one."""
    digest = hashlib.sha256(f"{options.seed}:{interaction_id}".encode()).digest()
    return int.from_bytes(digest[:6], "big") < options.share * 2**48


def session_id(interaction_id: str, supervisor_id: str) -> str:
    """The one workflow id that a session of this supervisor on this call may have."""

    def encode(text: str) -> str:
        return urllib.parse.quote(text, safe=":@").replace("~", "%7E")

    return f"session~{encode(interaction_id)}~{encode(supervisor_id)}"


async def start(
    client: Client,
    interaction_id: str,
    options: Options,
    reuse: WorkflowIDReusePolicy = WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
) -> Session | str:
    """Starts a session, or tells why there is none to start."""
    workflow_id = session_id(interaction_id, options.supervisor)
    try:
        started = await client.start_workflow(
            "monitoringSession",
            {
                "interactionId": interaction_id,
                "supervisorId": options.supervisor,
                "mode": "silent",
                "reason": "QA sample",
                # Should this program be killed, the session ends all the same.
                "maxDurationSeconds": math.ceil(options.listen) + CONFIRM_LIMIT_SECONDS + STOP_LIMIT_SECONDS,
            },
            id=workflow_id,
            task_queue=options.task_queue,
            # A session that runs already is somebody's: it is neither used nor replaced.
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            id_reuse_policy=reuse,
        )
        # By its run, so that no signal reaches a later session under the same id.
        return client.get_workflow_handle(workflow_id, run_id=started.first_execution_run_id)
    except WorkflowAlreadyStartedError:
        pass
    before: Session = client.get_workflow_handle(workflow_id)
    if (await before.describe()).status != WorkflowExecutionStatus.COMPLETED:
        return "already-running"
    # Heard once is enough, but what came to nothing is tried again.
    active_at, _ = times_of(await before.result())
    if active_at is not None:
        return "done-before"
    return await start(client, interaction_id, options, WorkflowIDReusePolicy.ALLOW_DUPLICATE)


async def until_active(session: Session) -> bool:
    """Whether the session listens: waits for the outcome of its own first command."""
    try:
        while True:
            answer: dict[str, Any] = await session.execute_update(
                "awaitCommand", {"commandId": "~start", "waitMs": 20_000}
            )
            status = answer["command"]["status"]
            if status != "accepted":
                return bool(status == "applied")
    except WorkflowUpdateFailedError:
        # It ended meanwhile; its result says how.
        return False
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        return False


async def listen(session: Session, options: Options, interrupted: asyncio.Event) -> tuple[dict[str, Any], bool]:
    """Listens until the time is over, the session ends or Ctrl-C, and sees the session to its end.

    Returns what the session says of itself, and whether it listened as long as was asked.
    """
    ended = asyncio.create_task(session.result())
    cut = asyncio.create_task(interrupted.wait())
    active = asyncio.create_task(until_active(session))
    is_complete = False
    try:
        try:
            await first_of(CONFIRM_LIMIT_SECONDS, ended, cut, active)
            if active.done() and active.result():
                is_complete = not await first_of(options.listen, ended, cut)
        finally:
            what = f"listened for {options.listen:g} s" if is_complete else "the QA pipeline gave up or was interrupted"
            await stop(session, {"commandId": "qa-stop", "actor": options.supervisor, "reason": what})
        if not await first_of(STOP_LIMIT_SECONDS, ended):
            raise ApplicationError(
                f"the stop is not confirmed after {STOP_LIMIT_SECONDS} s; the session goes on trying",
                type="stop-not-confirmed",
            )
        return ended.result(), is_complete
    finally:
        # What was still waited for is of no use any more, nor is what becomes of it.
        for task in (ended, cut, active):
            task.cancel()
        await asyncio.gather(ended, cut, active, return_exceptions=True)


async def first_of(seconds: float, *tasks: "asyncio.Task[Any]") -> bool:
    """Waits until one of them is done; whether one is, after that time at most."""
    done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    return len(done) > 0


async def stop(session: Session, payload: dict[str, str]) -> None:
    """Once a signal is accepted it is durable: no worker needs to be up."""
    try:
        await session.signal("stop", payload)
    except RPCError as error:
        # It has ended by itself.
        if error.status != RPCStatusCode.NOT_FOUND:
            raise


def times_of(report: dict[str, Any]) -> tuple[datetime | None, datetime | None]:
    """When the platform confirmed the leg, and when the session began to end."""

    def at(entry_type: str) -> datetime | None:
        found = next((entry["at"] for entry in report["history"] if entry["type"] == entry_type), None)
        return None if found is None else datetime.fromisoformat(found.replace("Z", "+00:00"))

    return at("session.active"), at("session.ending")


async def monitor(client: Client, interaction_id: str, options: Options, interrupted: asyncio.Event) -> ReportLine:
    """One call from start to report; never raises."""
    line = ReportLine(session_id(interaction_id, options.supervisor), interaction_id, options.supervisor)
    try:
        session = await start(client, interaction_id, options)
        if isinstance(session, str):
            return replace(line, outcome=session)
        line = replace(line, runId=session.run_id)
        report, is_complete = await listen(session, options, interrupted)
        active_at, ending_at = times_of(report)
        end_reason = report["session"]["endReason"]
        outcome = "listened" if is_complete and end_reason == "stopped" else end_reason
        why = next((entry.get("reason", "") for entry in report["history"] if entry["type"] == "session.ending"), "")
        return replace(
            line,
            startedAt=report["session"]["startedAt"],
            listenedSeconds=(ending_at - active_at).total_seconds() if active_at and ending_at else 0,
            outcome=outcome,
            error=None if outcome in FINE else {"type": outcome, "message": why},
        )
    except Exception as error:
        outcome, failure = failure_of(error)
        return replace(line, outcome=outcome, error=failure)


def failure_of(error: Exception) -> tuple[str, dict[str, str]]:
    cause = error.cause if isinstance(error, WorkflowFailureError) else error
    if isinstance(cause, CancelledError):
        return "cancelled", {"type": "cancelled", "message": str(cause)}
    if isinstance(cause, TerminatedError):
        return "terminated", {"type": "terminated", "message": str(cause)}
    if isinstance(cause, ApplicationError):
        # Earshot's own failures have a type that does not change: `invalid.request`, `session.id.mismatch`.
        return "failed", {"type": cause.type or "ApplicationError", "message": cause.message}
    return "failed", {"type": type(cause).__name__, "message": str(cause)}


async def run(options: Options, output: TextIO) -> int:
    interrupted = asyncio.Event()
    stop_on_signal(interrupted)
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", "localhost:7233")
    keys_file = os.environ.get("PAYLOAD_KEYS_FILE", "")
    if keys_file != "":
        # Only here, as it needs a package more.
        from payload_codec import EncryptionCodec

        codec = EncryptionCodec(keys_file, os.environ.get("PAYLOAD_ENCRYPTION") != "off")
        config["data_converter"] = replace(DataConverter.default, payload_codec=codec)
    client = await Client.connect(**config)
    calls = await asyncio.to_thread(live_calls, options)
    sampled = [call for call in calls if is_sampled(call, options)]
    outcomes: list[str] = []
    unwritten = 0
    # All listeners take from the same queue.
    queue = iter(sampled)

    async def listener() -> None:
        nonlocal unwritten
        for call in queue:
            if interrupted.is_set():
                return
            line = await monitor(client, call, options, interrupted)
            outcomes.append(line.outcome)
            try:
                print(json.dumps(asdict(line), ensure_ascii=False), file=output, flush=True)
            except OSError as error:
                # As when nobody reads it any more: ends the pipeline as Ctrl-C does.
                say(f"The report can't be written: {error}")
                os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
                unwritten += 1
                interrupted.set()

    await asyncio.gather(*(listener() for _ in range(options.concurrency)))
    failed = sum(outcome not in FINE for outcome in outcomes)
    say(f"{len(calls)} calls, {len(sampled)} sampled, {len(outcomes)} reported, {failed} failed")
    if interrupted.is_set():
        return 1 if unwritten > 0 else 130
    return 0 if failed == 0 else 1


def stop_on_signal(interrupted: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def on_signal(number: int, _frame: object) -> None:
        # A second one ends the program at once, and `maxDurationSeconds` the sessions.
        signal.signal(number, signal.SIG_DFL)
        say("Stopping the sessions …")
        loop.call_soon_threadsafe(interrupted.set)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)


def read_options() -> Options:
    parser = argparse.ArgumentParser(
        description="Listens to a share of the live calls and writes a report, one JSON object a line.",
        epilog="API_KEY in the environment is the key for REST. Temporal is found by TEMPORAL_ADDRESS, "
        "TEMPORAL_NAMESPACE, TEMPORAL_API_KEY … or by Temporal's configuration file. Exit codes: 0; 1 something "
        "failed; 2 bad arguments; 130 interrupted (Ctrl-C stops the sessions first).",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--share", type=share, default=0.1, help="share of the calls to listen to, 0 to 1")
    parser.add_argument("--seed", default="qa", help="another text draws other calls")
    parser.add_argument("--listen", type=seconds, default=30, metavar="SECONDS", help="how long to listen to each")
    parser.add_argument("--concurrency", type=count, default=5, metavar="N", help="how many at a time")
    parser.add_argument("--supervisor", default="qa-bot", metavar="ID", help="supervisorId of the sessions")
    parser.add_argument("--api", default="http://127.0.0.1:8080", metavar="URL", help="Earshot's REST")
    parser.add_argument("--task-queue", default="monitoring", metavar="NAME", help="where Earshot's worker is")
    parser.add_argument("--output", metavar="FILE", help="append the report to a file instead of standard output")
    given = parser.parse_args()
    api_key = os.environ.get("API_KEY", "")
    if api_key == "":
        parser.error("expected the key for REST in the variable API_KEY")
    return Options(api_key=api_key, **vars(given))


def number_in(text: str, least: float, most: float) -> float:
    value = float(text)
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"expected a number from {least:g} to {most:g}, got {text}")
    return value


def share(text: str) -> float:
    return number_in(text, 0, 1)


def seconds(text: str) -> float:
    return number_in(text, 1, 36_000)


def count(text: str) -> int:
    return int(number_in(str(int(text)), 1, 1_000))


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    options = read_options()
    try:
        if options.output is None:
            return asyncio.run(run(options, sys.stdout))
        with open(options.output, "a", encoding="utf-8") as output:
            return asyncio.run(run(options, output))
    except (RuntimeError, OSError, ValueError) as error:
        say(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
