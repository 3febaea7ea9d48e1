package e2e

import (
	"net/http"
	"testing"
	"time"

	"faas-docker/function"
)

// The provider's own times are a second here, and a call takes two.
func TestSettings_TheImagesEnvironmentCounts(t *testing.T) {
	t.Parallel()
	h := hasty(t)
	for name, test := range map[string]struct {
		changes []string
		env     map[string]string
		status  int
	}{
		"nothing said":                        {nil, nil, http.StatusGatewayTimeout},
		"exec_timeout of the image":           {[]string{"ENV exec_timeout=5m"}, nil, http.StatusOK},
		"exec_timeout of the deployment":      {nil, map[string]string{"exec_timeout": "300"}, http.StatusOK},
		"the deployment counts for more":      {[]string{"ENV exec_timeout=5m"}, map[string]string{"exec_timeout": "10ms"}, http.StatusGatewayTimeout},
		"write_timeout of a classic watchdog": {[]string{"ENV write_timeout=150s", "ENV port=3333"}, nil, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			spec := h.sluggish(t, test.changes...)
			spec.EnvVars = test.env
			h.deploy(t, spec)
			words := []string{"version : 0 bytes"}
			if test.status != http.StatusOK {
				words = []string{"did not begin to answer within", "exec_timeout", "com.openfaas.call.head_timeout"}
			}
			h.get(t, "/function/"+spec.Service+"/late").wants(t, test.status, words...)
			h.forget(t, spec.Service, defaultNS)
		})
	}
}

func TestSettings_AnImageIsDrainedForItsOwnTime(t *testing.T) {
	t.Parallel()
	h := hasty(t)
	spec := h.sluggish(t, "ENV write_timeout=150s")
	spec.EnvVars = map[string]string{"version": "1"}
	h.deploy(t, spec)
	answered, failed := make(chan answer, 1), make(chan error, 1)
	go func() {
		got, err := h.try(t.Context(), request{method: http.MethodGet, path: "/function/" + spec.Service + "/late"})
		answered <- got
		failed <- err
	}()
	eventually(t, "the call is in flight", func() (bool, string) {
		return h.provider.View().Resolver.Load(function.Name{Name: spec.Service, Namespace: defaultNS}).InFlight == 1, ""
	})
	began := time.Now()
	spec.EnvVars = map[string]string{"version": "2"}
	if code, err := h.sdk.Update(t.Context(), spec); err != nil {
		t.Fatalf("update: %d %v", code, err)
	}
	got, err := <-answered, <-failed
	if err != nil {
		t.Fatal(err)
	}
	got.wants(t, http.StatusOK, "version 1")
	t.Logf("answered %v after the update", time.Since(began))
}
