"""Kernels in sandboxes, for whoever starts kernels through jupyter_client, such as papermill."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import select
import signal
import socket
import subprocess
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase

from pixel_edu.course.calling import Countdown
from pixel_edu.grading.sandbox.forkserver import ForkServer
from pixel_edu.grading.sandbox.isolation import Sandbox
from pixel_edu.grading.sandbox.plain import PlainServer

NAME = "pixel-edu-fork"


class ForkClient(AsyncKernelClient):
    """Is ready once the kernel has answered, and does not wait another 0.2 s for late messages as its parent does.

    Whatever comes late names the request that it belongs to, so nobody takes it for something else.
    """

    def start_channels(
        self, shell: bool = True, iopub: bool = True, stdin: bool = True, **options: bool
    ) -> None:
        """Connect; without the heartbeat, whose thread would outlive the kernel: the manager sees when that ends."""
        super().start_channels(shell, iopub, stdin, hb=False, control=False)

    async def wait_for_ready(self, timeout: float = 60) -> None:
        """Wait for the kernel.

        Raises:
            RuntimeError: it has ended, or does not answer in time.
        """
        countdown, manager = Countdown(timeout, step=2), self.parent
        assert isinstance(manager, ForkManager)
        while countdown.tick() > 0:
            self.kernel_info()
            with contextlib.suppress(queue.Empty):
                # Any reply will do: the kernel runs in our environment, so its protocol is ours.
                await self.shell_channel.get_msg(timeout=1)
                await self.iopub_channel.get_msg(timeout=0.2)
                return
            if not await manager.is_alive():
                raise RuntimeError("the kernel ended before it answered")
        raise RuntimeError(f"the kernel did not answer in {timeout:g} s")


class ForkManager(AsyncKernelManager):
    """Manages a kernel that a fork server forks into a sandbox, or that is an ordinary process.

    Args:
        fork_server: makes the kernel.
        sandbox: where it lives.
    """

    def __init__(self, fork_server: ForkServer | PlainServer, sandbox: Sandbox, **options: Any) -> None:
        if hasattr(socket, "AF_UNIX"):
            options |= {"transport": "ipc", "ip": str(sandbox.folder / "k")}
        super().__init__(
            connection_file=str(sandbox.folder / "kernel.json"),
            client_factory=ForkClient,
            **options,
        )
        self.fork_server, self.sandbox = fork_server, sandbox
        self.made: AsyncKernelClient | None = None

    def client(self, **options: Any) -> AsyncKernelClient:
        """A client that shares this manager's context, and its limit on the length of messages."""
        self.made = super().client(**{"context": self.context} | options)
        return self.made

    def forget(self) -> None:
        """Let go of the kernel; its sandbox goes with its owner."""
        if isinstance(self.provisioner, ForkProvisioner):
            self.provisioner.forget()
        if self.made:
            self.made.stop_channels()
        self.context.destroy(linger=0)

    @property
    def kernel_spec(self) -> KernelSpec:
        """One that names the provisioner below."""
        metadata = {"kernel_provisioner": {"provisioner_name": NAME}}
        return KernelSpec(argv=["forked"], display_name="Forked", language="python", metadata=metadata)


class ForkProvisioner(KernelProvisionerBase):
    """Asks the manager's fork server for a kernel, and watches it."""

    fd: int | None = None
    process: subprocess.Popen | None = None
    parent: ForkManager  # pyright: ignore[reportIncompatibleVariableOverride] traitlets says anything or None

    @property
    def has_process(self) -> bool:
        """Whether there is a kernel."""
        return self.fd is not None or self.process is not None

    async def pre_launch(self, **options: Any) -> dict[str, Any]:
        """Write the connection file."""
        manager = self.parent
        manager.write_connection_file()
        self.connection_info = manager.get_connection_info()
        return await super().pre_launch(cmd=[], **options)

    async def launch_kernel(self, cmd: list[str], **options: Any) -> KernelConnectionInfo:
        """Fork, or start a process."""
        manager = self.parent
        sandbox, started = (
            manager.sandbox,
            manager.fork_server.start(manager.sandbox, manager.connection_file),
        )
        if isinstance(started, subprocess.Popen):
            sandbox.process = self.process = started
            return self.connection_info
        with contextlib.suppress(ProcessLookupError):
            self.fd = os.pidfd_open(started)
        return self.connection_info

    async def poll(self) -> int | None:
        """None while it runs."""
        if self.process:
            return None if self.process.poll() is None else 0
        if self.fd is None:
            return 0
        watched = select.poll()
        watched.register(self.fd, select.POLLIN)
        return 0 if watched.poll(0) else None

    async def wait(self) -> int | None:
        """Wait until it has ended."""
        while await self.poll() is None:
            await asyncio.sleep(0.01)
        self.forget()
        return 0

    async def send_signal(self, signum: int) -> None:
        """Send it a signal."""
        if self.process:
            self.process.send_signal(signum)
        if self.fd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.fd, signum)

    async def kill(self, restart: bool = False) -> None:
        """End all that runs in its sandbox."""
        self.parent.sandbox.kill()

    async def terminate(self, restart: bool = False) -> None:
        """End all that runs in its sandbox."""
        self.parent.sandbox.kill()

    async def cleanup(self, restart: bool = False) -> None:
        """Let go of it; its sandbox goes with its owner."""
        self.forget()

    def forget(self) -> None:
        """Close what it is watched by."""
        self.process = None
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None
