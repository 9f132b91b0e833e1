# The exchange as an image: one wheel with the server, the matching core and the command `farmgate`.
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
  && apt-get install -y --no-install-recommends python3 python3-venv \
  && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv /tools && /tools/bin/pip install --no-cache-dir maturin==1.16.0
# The image's own compiler, whatever the repository names as the newest.
ENV RUSTUP_TOOLCHAIN=1.95.0
WORKDIR /source
COPY . .
RUN /tools/bin/maturin build --release --out /wheels

FROM python:3.11-slim-bookworm
RUN pip install --no-cache-dir uv==0.13.9
COPY requirements.lock /tmp/
COPY --from=build /wheels /wheels
# The lock names the developers' tools too: as constraints it pins only what the wheel needs.
RUN uv pip install --system --no-cache --constraint /tmp/requirements.lock /wheels/*.whl \
  && rm -rf /wheels /tmp/requirements.lock \
  && useradd --system --uid 10001 --create-home farmgate \
  && install -d -o farmgate -g farmgate -m 700 /var/lib/farmgate
USER farmgate
ENV FARMGATE_DATA_DIR=/var/lib/farmgate
# The state grows by the million of orders: huge pages spare most of the page faults.
ENV GLIBC_TUNABLES=glibc.malloc.hugetlb=1
VOLUME /var/lib/farmgate
ENTRYPOINT ["farmgate"]
CMD ["serve"]
