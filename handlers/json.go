package handlers

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"

	"faas-docker/function"
)

// maxBody bounds a request body, in bytes.
const maxBody = 4 << 20

// read decodes a request's body: one JSON object.
func read[T any](w http.ResponseWriter, r *http.Request) (sent T, err error) {
	body, err := readBody(w, r, maxBody)
	if err == nil {
		err = decode(body, &sent)
	}
	return sent, err
}

// readBody returns the whole body, or an http.MaxBytesError when it is larger
// than limit bytes.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		var tooBig *http.MaxBytesError
		if errors.As(err, &tooBig) || r.Context().Err() != nil {
			return nil, err
		}
		return nil, &function.Failure{Kind: function.ErrInvalid, Text: "body: it broke off before its end", Cause: err}
	}
	return bytes.TrimSpace(body), nil
}

// decode reads one JSON object into the struct that into points to. Fields that
// are not known are let pass, because clients are newer than we are.
func decode(body []byte, into any) error {
	if len(body) == 0 {
		return function.Invalid("body", "missing: want a JSON object")
	}
	// encoding/json would replace the bytes silently, and a secret would be lost.
	if !utf8.Valid(body) {
		return function.Invalid("body", "not UTF-8: JSON must be; binary secrets go base64-encoded into rawValue")
	}
	return explainJSON(json.Unmarshal(body, into))
}

// explainJSON turns a decoder's error into one that names the field.
func explainJSON(err error) error {
	var (
		syntax    *json.SyntaxError
		wrongType *json.UnmarshalTypeError
		notBase64 base64.CorruptInputError
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		return function.Invalid("body", "not JSON at byte %d: %s", syntax.Offset, syntax.Error())
	case errors.As(err, &wrongType):
		return explainType(wrongType)
	case errors.As(err, &notBase64):
		return function.Invalid("rawValue", "not base64 at byte %d", int64(notBase64))
	}
	return fmt.Errorf("decode body: %w", err)
}

func explainType(err *json.UnmarshalTypeError) error {
	field := err.Field
	if field == "" {
		field = "body"
	}
	// "number 1.5" would show a value that may be secret.
	got, _, _ := strings.Cut(err.Value, " ")
	return function.Invalid(field, "found JSON %s where %s is wanted", got, describe(err.Type))
}

func describe(t reflect.Type) string {
	if t == reflect.TypeFor[[]byte]() {
		return "a base64-encoded string"
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Uint64:
		return "a whole number"
	case reflect.Slice:
		return "an array"
	}
	return "an object"
}

// writeJSON answers with v. It returns an error, with nothing written, only when
// v cannot be encoded. What only HTML would need escaped stays as it is, for people
// who read rules with an arrow in them.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(bytes.TrimSuffix(body.Bytes(), []byte("\n"))) // an error means that the caller left
	return nil
}
