package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"faas-docker/engine/enginetest"
)

// TestDescriptors_AProviderWithoutAnyKeepsItsReplicas has a provider with few descriptors be
// called by more clients than it can serve, and by clients of HTTP/2 that need more than it
// can open: callers are refused politely, and the replica stays.
func TestDescriptors_AProviderWithoutAnyKeepsItsReplicas(t *testing.T) {
	parallelUnlessAlone(t)
	c := spawnLimited(t, 96)
	spec := c.spec(t, "sleep")
	spec.Annotations = &map[string]string{"com.openfaas.health.http.path": "/", "com.openfaas.health.http.periodSeconds": "1", "com.openfaas.health.http.failureThreshold": "1"}
	spec.Labels = &map[string]string{"com.openfaas.scale.max": "1"}
	c.deploy(t, spec)
	replica := c.container(t, spec.Service)
	path := "/function/" + spec.Service + "?d=3s"

	answers := make(chan string, 300)
	call := func(client *http.Client) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url+path, nil)
		if err != nil {
			answers <- err.Error()
			return
		}
		response, err := client.Do(r)
		if err != nil {
			answers <- "cut"
			return
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		if response.StatusCode == 503 && (response.Header.Get("Retry-After") == "" || !strings.Contains(string(text), "ulimit -n")) {
			answers <- fmt.Sprintf("503 %v %q", response.Header, text)
			return
		}
		answers <- response.Status
	}
	var only http.Protocols
	only.SetUnencryptedHTTP2(true)
	streams := &http.Client{Transport: &http.Transport{Protocols: &only}}
	defer streams.CloseIdleConnections()
	// Its connection is there before others take all.
	call(streams)
	counts, idle := map[string]int{<-answers: 1}, make([]net.Conn, 0, 20)
	for range cap(idle) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(c.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, conn)
		defer conn.Close()
	}
	for range 150 {
		go call(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}})
		go call(streams)
	}
	for range 300 {
		counts[<-answers]++
	}
	t.Logf("answered %v", counts)
	for got := range counts {
		if got != "200 OK" && got != "503 Service Unavailable" && got != "cut" {
			t.Errorf("answered %s", got)
		}
	}
	if counts["503 Service Unavailable"] == 0 || counts["200 OK"] == 0 {
		t.Errorf("answered %v: want some served and some refused", counts)
	}
	for _, conn := range idle {
		conn.Close()
	}
	eventually(t, "it is served again", func() (bool, string) {
		got, err := c.try(t.Context(), request{method: http.MethodGet, path: "/function/" + spec.Service + "?d=1ms"})
		return err == nil && got.StatusCode == 200, fmt.Sprint(statusOf(got), err)
	})
	if now := c.containers(t, spec.Service); len(now) != 1 || now[0] != replica {
		t.Errorf("replica %s was replaced by %v", replica, now)
	}
	log := c.log.String()
	if strings.Contains(log, "is replaced") {
		t.Errorf("the log speaks of a replacement:\n%s", log)
	}
	for _, line := range []string{"clients turned away", "calls refused: no descriptors left"} {
		if n := strings.Count(log, line); n == 0 || n > 5 {
			t.Errorf("the log says %d times: %s", n, line)
		}
	}
}

// spawnLimited is spawn with a hard limit of open files, and half of it as the soft one.
func spawnLimited(t *testing.T, files int) *child {
	t.Helper()
	script := fmt.Sprintf("#!/bin/sh\nulimit -Sn %d && ulimit -Hn %d && exec %s\n", files/2, files, program(t))
	path := t.TempDir() + "/limited"
	enginetest.WriteProgram(t, path, []byte(script))
	c, err := trySpawnAs(t, exec.Command(path), enginetest.Network(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", c.process.Process.Pid))
	if err != nil || !strings.Contains(strings.Join(strings.Fields(string(limits)), " "), fmt.Sprintf("Max open files %d %d", files-1, files)) {
		t.Errorf("the soft limit was not raised: %v\n%s", err, limits)
	}
	return c
}
