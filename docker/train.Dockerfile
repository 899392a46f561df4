# Training, and everything else that the command line can do, on a mounted folder of arrays.
#
#   docker build -f docker/train.Dockerfile -t pixel-edu-train .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD/data:/data" pixel-edu-train train /data --out /data/runs/mine
#
# With CUDA: build with --build-arg TORCH_INDEX= (the torch of the usual index brings CUDA), run with --gpus all.

# The Python of this Debian is the one that constraints.txt was resolved with.
ARG BASE=debian:bookworm-20260918-slim@sha256:3783cc01769c7b2b1b83a5c5ad96c815348e28ed7da68e2e3687004faa906251

FROM ${BASE} AS python
# Debian takes old versions away when it fixes a hole, so a pinned one could not be installed for long.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/*

FROM python AS packages
# hadolint ignore=DL3008,DL3009
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv
RUN python3 -m venv /opt/pip && python3 -m venv --without-pip /opt/venv
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
COPY constraints.txt pyproject.toml ./
# The dependencies alone, as pyproject.toml names them: a change of the code does not install them again.
RUN python3 -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
    print(*p["dependencies"], *p["optional-dependencies"]["track"], sep="\n")' > requirements.txt
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    /opt/pip/bin/pip --python /opt/venv/bin/python install -c constraints.txt -r requirements.txt \
    ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"}

FROM packages AS app
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    /opt/pip/bin/pip install -c constraints.txt setuptools wheel
COPY README.md LICENSE ./
COPY pixel_edu pixel_edu
RUN /opt/pip/bin/pip install --no-build-isolation --no-deps --target /opt/app .

FROM python
COPY --from=packages /opt/venv /opt/venv
COPY --from=app /opt/app /opt/app
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/opt/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
# MLflow asks for git, which is not in this image.
ENV GIT_PYTHON_REFRESH=quiet
WORKDIR /data
USER 10001:10001
# It runs to its end and then it is done; there is nothing to ask it meanwhile.
HEALTHCHECK NONE
ENTRYPOINT ["python3", "-m", "pixel_edu.cli"]
CMD ["--help"]
