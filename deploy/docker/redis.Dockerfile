# Redis with Carousel's configuration. The build context is this folder.
#
# The configuration travels in the image and not as a bind mount, so that the compose file also works with a remote engine.
ARG REDIS_IMAGE=redis:8-bookworm
FROM ${REDIS_IMAGE}
COPY redis.conf /etc/carousel/redis.conf
COPY redis-start.sh /usr/local/bin/redis-start
COPY sentinel-start.sh /usr/local/bin/sentinel-start
COPY sentinel-note.sh /usr/local/bin/sentinel-note
# A server without WAITAOF (before 7.2) brings every write to disk, because nobody could wait for one.
RUN redis-server --version | grep -qE 'v=(7\.([2-9]|[1-9][0-9])|[89]|[1-9][0-9])' || sed -i 's/^appendfsync .*/appendfsync always/' /etc/carousel/redis.conf
# Fresh volumes inherit this owner; without it, a server that isn't root can't write there.
RUN mkdir -p /data /run/redis && chown redis:redis /data /run/redis
USER redis
WORKDIR /data
VOLUME /data /run/redis
EXPOSE 6379
# For who looks at the list of containers. Each check starts a program, which costs more than all of an idle Redis; nobody waits for it.
HEALTHCHECK --interval=30s --timeout=3s --start-period=60s --retries=3 CMD ["sh", "-c", \
    "REDISCLI_AUTH=$(cat /run/redis/password) exec redis-cli -e ping"]
ENTRYPOINT ["redis-start"]
