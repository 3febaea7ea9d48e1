package handlers

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAlert_ScalesTheFunctionsItNames(t *testing.T) {
	fleet := &fakeFleet{}
	api := &API{Fleet: fleet}
	body := `{"status":"firing","alerts":[
		{"status":"firing","labels":{"function_name":"figlet.openfaas-fn"}},
		{"status":"resolved","labels":{"function_name":"cows"}},
		{"labels":{"function_name":"env.dev"}},
		{"status":"firing","labels":{"function_name":"unknown"}},
		{"status":"firing","labels":{"alertname":"disk"}}]}`
	answer := httptest.NewRecorder()
	api.adapt(functionsAPI{api}.alert)(answer, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/system/alert", strings.NewReader(body)))
	if answer.Code != http.StatusOK {
		t.Fatalf("status %d: %s", answer.Code, answer.Body)
	}
	want := "[figlet.openfaas-fn true cows.openfaas-fn false env.dev true unknown.openfaas-fn true]"
	if got := fmt.Sprint(fleet.alerts); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAlert_RefusesWhatIsNoWebhook(t *testing.T) {
	api := &API{Fleet: &fakeFleet{}}
	answer := httptest.NewRecorder()
	api.adapt(functionsAPI{api}.alert)(answer, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/system/alert", strings.NewReader("hello")))
	if answer.Code != http.StatusBadRequest {
		t.Errorf("status %d, want 400", answer.Code)
	}
}
