# The binary is static and built beforehand by `make build`: no base image, no
# compiler and no network is needed here.
FROM scratch
COPY bin/faas-docker /faas-docker
# Everything the program keeps is here; without a volume it goes with the container.
ENV data_dir=/data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/faas-docker", "healthcheck"]
ENTRYPOINT ["/faas-docker"]
