# An MLflow server that speaks to PostgreSQL; compose.yaml says where it keeps what.
#
#   docker build -f docker/mlflow.Dockerfile -t pixel-edu-mlflow .

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
COPY constraints.txt ./
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    /opt/pip/bin/pip --python /opt/venv/bin/python install -c constraints.txt mlflow psycopg2-binary
# A volume that is mounted here for the first time takes over whose it is.
RUN mkdir /artifacts && chown 10001:10001 /artifacts

FROM python
COPY --from=packages /opt/venv /opt/venv
COPY --from=packages --chown=10001:10001 /artifacts /artifacts
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp \
    MLFLOW_HOST=0.0.0.0 MLFLOW_PORT=5000 MLFLOW_WORKERS=1 MLFLOW_ARTIFACTS_DESTINATION=/artifacts
# Jobs that score language models: a gigabyte of memory, and nobody here has any.
ENV MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
WORKDIR /tmp
USER 10001:10001
EXPOSE 5000
HEALTHCHECK --interval=30s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python3", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:5000/health', timeout=2)"]
CMD ["mlflow", "server"]
