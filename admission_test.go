package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/openfaas/faas-provider/types"
)

func TestAdmission_WhatTheHostHasNoRoomForIs503AndExplained(t *testing.T) {
	t.Parallel()
	h := patient(t)
	spec := h.spec(t, "echo")
	spec.Requests = &types.FunctionResources{Memory: "500Ti"}
	h.send(t, http.MethodPost, "/system/functions", spec).wants(t, http.StatusOK)
	h.await(t, spec.Service, "the reason", func(s status) bool { return strings.Contains(s.Reason, "no room") })
	got := h.get(t, "/function/"+spec.Service).wants(t, http.StatusServiceUnavailable, spec.Service, "no room", "memory")
	if got.Header.Get("Retry-After") == "" {
		t.Error("the caller is not told when to come back")
	}
	h.get(t, "/system/logs?name="+spec.Service).wants(t, http.StatusOK, "no room")

	spec.Requests = nil
	if code, err := h.sdk.Update(t.Context(), spec); err != nil {
		t.Fatalf("update: %d %v", code, err)
	}
	h.awaitReplicas(t, spec.Service, 1)
	h.do(t, request{method: http.MethodPost, path: "/function/" + spec.Service, body: "room"}).wants(t, http.StatusOK, "room")
}
