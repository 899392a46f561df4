# Sprites over HTTP: on a CPU, not as root, on a file system that nobody can write to, with the model inside.
#
#   docker build -f docker/api.Dockerfile -t pixel-edu-api .
#   docker run --rm -p 127.0.0.1:8000:8000 --read-only --tmpfs /tmp --cap-drop ALL pixel-edu-api

# The Python of this Debian is the one that constraints.txt was resolved with.
ARG BASE=debian:bookworm-20260918-slim@sha256:3783cc01769c7b2b1b83a5c5ad96c815348e28ed7da68e2e3687004faa906251

FROM ${BASE} AS python
# Debian takes old versions away when it fixes a hole, so a pinned one could not be installed for long.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/*

# What is needed to install stays in this stage: pip, lists, downloads, tools.
FROM python AS packages
# hadolint ignore=DL3008,DL3009
RUN apt-get update && apt-get install -y --no-install-recommends binutils python3-venv
RUN python3 -m venv /opt/pip && python3 -m venv --without-pip /opt/venv
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
COPY constraints.txt ./
# PyTorch's own index has it without CUDA, which is gigabytes smaller.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
# What serving imports, and no more. Where a private index needs a password, the secret is in no layer.
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    /opt/pip/bin/pip --python /opt/venv/bin/python install --no-compile -c constraints.txt \
    ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} \
    fastapi jaxtyping numpy pillow prometheus-client safetensors torch typer uvicorn
# Out goes what only compilers, debuggers and tests read; and what is imported is compiled, since later nobody may.
WORKDIR /opt/venv/lib/python3.11/site-packages
RUN rm -rf torch/include torch/share torch/test torch/lib/*_test.so \
    && find torch/bin -type f ! -name torch_shm_manager -delete \
    && strip --strip-unneeded torch/lib/libtorch_cpu.so torch/lib/libtorch_python.so \
    && find . -type d -name tests -prune -exec rm -rf {} + \
    && /opt/pip/bin/pip --python /opt/venv/bin/python uninstall -y mpmath networkx sympy \
    && /opt/venv/bin/python -c 'import fastapi.sse, jaxtyping, PIL.PngImagePlugin, prometheus_client, rich.console, \
    safetensors.torch, torch, typer, uvicorn.server'

FROM packages AS app
WORKDIR /source
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    /opt/pip/bin/pip install -c constraints.txt setuptools wheel
COPY pyproject.toml README.md LICENSE ./
COPY pixel_edu pixel_edu
RUN /opt/pip/bin/pip install --no-build-isolation --no-deps --target /opt/app .
# Whoever breaks in finds no solutions and no graders, and nothing that serving does not run.
WORKDIR /opt/app/pixel_edu
RUN rm -rf course grading making notebooks widgets

FROM python
COPY --from=packages /opt/venv /opt/venv
COPY --from=app /opt/app /opt/app
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/opt/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python3", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
# A list, not a line for a shell: the server itself gets the signal to stop, and finishes what it has accepted.
ENTRYPOINT ["python3", "-m", "pixel_edu.cli"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
