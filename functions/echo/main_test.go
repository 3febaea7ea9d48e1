package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestEcho_AnswersBodyUnderItsContentType(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, sent, want string }{
		{"given", "text/csv", "text/csv"},
		{"missing", "", "application/octet-stream"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader("a,b"))
			request.Header.Set("Content-Type", tc.sent)
			answer := httptest.NewRecorder()
			serve(answer, request)
			if got := answer.Header().Get("Content-Type"); got != tc.want {
				t.Errorf("content type %q, want %q", got, tc.want)
			}
			if got := answer.Body.String(); got != "a,b" {
				t.Errorf("body %q, want %q", got, "a,b")
			}
		})
	}
}

func TestDescribe_TellsTheRequestAsItArrived(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(serve))
	defer server.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, server.URL+"/a%2Fb/?describe=1&x=%20", strings.NewReader("12345"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Custom", "<kept>")
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var got Description
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	want := Description{Method: "PUT", URI: "/a%2Fb/?describe=1&x=%20", Path: "/a/b/", Query: "describe=1&x=%20", Protocol: "HTTP/1.1"}
	if got.Method != want.Method || got.URI != want.URI || got.Path != want.Path || got.Query != want.Query || got.Protocol != want.Protocol {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got.ContentLength != 5 || got.BodyBytes != 5 || got.Headers.Get("X-Custom") != "<kept>" {
		t.Errorf("body of %d/%d bytes, headers %v", got.BodyBytes, got.ContentLength, got.Headers)
	}
}

func TestStream_AnswersEachPieceBeforeTheNextIsSent(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(serve))
	defer server.Close()
	body, pieces := io.Pipe()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/?stream=1", body)
	if err != nil {
		t.Fatal(err)
	}
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	for _, piece := range []string{"one", "two"} {
		if _, err := io.WriteString(pieces, piece); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(piece))
		if _, err := io.ReadFull(response.Body, got); err != nil || string(got) != piece {
			t.Fatalf("got %q, %v, want %q", got, err, piece)
		}
	}
	pieces.Close()
	if rest, err := io.ReadAll(response.Body); err != nil || len(rest) != 0 {
		t.Errorf("after the end: %q, %v", rest, err)
	}
}
