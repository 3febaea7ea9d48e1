package app

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"faas-docker/handlers"
)

// checkHealth is the command "healthcheck": it queries the health of the provider so configured.
func checkHealth(ctx context.Context, c Config) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if _, err := c.ask(ctx, http.MethodGet, "/healthz", handlers.BasicAuth{}); err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	return nil
}

// ask sends a request to the provider with this configuration, with credentials if there
// are any. An answer that is no success is an error with its text.
func (c Config) ask(ctx context.Context, method, path string, credentials handlers.BasicAuth) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.localURL()+path, nil)
	if err != nil {
		return nil, err
	}
	if credentials != (handlers.BasicAuth{}) {
		request.SetBasicAuth(credentials.User, credentials.Password)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return body, err
}

// localURL is where the provider that is configured alike can be reached from here.
func (c Config) localURL() string {
	host := c.host
	if net.ParseIP(host).IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(c.port))
}

// version is what the Go toolchain stamped into the binary: the module's version and the commit.
func version() handlers.Version {
	v := handlers.Version{Release: "dev"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Release = info.Main.Version
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			v.SHA = setting.Value
		}
	}
	return v
}

// versionLine is what the command "version" prints.
func versionLine() string {
	v := version()
	return fmt.Sprintf("faas-docker %s (commit %s)", v.Release, cmp.Or(v.SHA, "-"))
}
