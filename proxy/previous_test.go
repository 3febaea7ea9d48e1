package proxy

import (
	"io"
	"net/http"
	"testing"

	"faas-docker/function"
	"faas-docker/replica"
	"faas-docker/wire/wiretest"
)

func answering(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

func TestPrevious_ReachesTheRevisionBeforeAndElseThePresentOne(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	id := deploy(t, h, "figlet", serve(t, answering("old")))
	old := h.Resolver.Members(id)[0].ID
	h.Resolver.Tell(id, old, replica.Event{Kind: replica.Keep, Role: replica.Previous})
	addReplica(t, h, id, serve(t, answering("new")))
	url, previous := "http://"+serve(t, h)+"/function/figlet", "http://"+serve(t, h.Previous())+"/function/figlet"
	wants := func(url, want string) {
		t.Helper()
		if answer, got := fetch(t, http.MethodGet, url, nil); answer.StatusCode != http.StatusOK || got != want {
			t.Errorf("%d %s, want %s", answer.StatusCode, got, want)
		}
	}
	wants(url, "new")
	wants(previous, "old")
	h.Resolver.Withdraw(id, old)
	wants(previous, "new")
}

func TestPrevious_ThatCannotBeReachedIsStoodInFor(t *testing.T) {
	t.Parallel()
	h := newHandler(t)
	id := deploy(t, h, "figlet", serve(t, answering("new")))
	gone := function.Replica{ID: "gone", Function: id, State: function.Running, Address: wiretest.Vacant(t, "127.0.0.1")}
	h.Resolver.Add(gone, h.Resolver.Listing())
	h.Resolver.Tell(id, gone.ID, replica.Event{Kind: replica.Keep, Role: replica.Previous})
	if !h.Resolver.MarkReady(id, gone.ID) {
		t.Fatal("not admitted")
	}
	if answer, got := fetch(t, http.MethodGet, "http://"+serve(t, h.Previous())+"/function/figlet", nil); answer.StatusCode != http.StatusOK || got != "new" {
		t.Errorf("%d %s", answer.StatusCode, got)
	}
}
