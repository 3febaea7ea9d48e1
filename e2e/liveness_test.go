package e2e

import (
	"net/http"
	"testing"

	"faas-docker/function"
)

func TestLiveness_AReplicaThatHangsIsReplaced(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "crash")
	spec.Annotations = &map[string]string{function.AnnotationHealthPath: "/", function.AnnotationHealthPeriod: "1", function.AnnotationHealthFailures: "2"}
	h.deploy(t, spec)
	first := h.container(t, spec.Service)
	h.get(t, "/function/"+spec.Service+"/hang").wants(t, http.StatusOK)
	eventually(t, "another replica runs", func() (bool, string) {
		now := h.containers(t, spec.Service)
		return len(now) == 1 && now[0] != first, ""
	})
	h.get(t, "/function/"+spec.Service).wants(t, http.StatusOK, "still alive")
	h.get(t, "/system/logs?name="+spec.Service).wants(t, http.StatusOK, "failed its health check 2 times")
}
