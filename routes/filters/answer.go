package filters

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"faas-docker/routes"
	"faas-docker/routes/argument"
)

func newStatus(args []any) (routes.ResponseFunc, error) {
	code, err := argument.Int(args[0])
	if err == nil && (code < 200 || code > 599) {
		err = fmt.Errorf("%d: want a status from 200 to 599", code)
	}
	return func(c *routes.Context) { c.Response.Status = code }, err
}

func newHealthcheck([]any) (routes.ResponseFunc, error) {
	return func(c *routes.Context) { c.Response.Status = http.StatusOK }, nil
}

func newInlineContent(args []any) (routes.RequestFunc, error) {
	text := argument.Text(args[0])
	kind := http.DetectContentType([]byte(text))
	if len(args) > 1 {
		kind = argument.Text(args[1])
	}
	return func(c *routes.Context) {
		header := http.Header{"Content-Type": {kind}, "Content-Length": {strconv.Itoa(len(text))}}
		c.Serve(&routes.Response{Status: http.StatusOK, Header: header, Body: strings.NewReader(text)})
	}, nil
}
