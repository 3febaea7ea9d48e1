// Package filters has the filters that rules can have; All lists them. To add one: write its constructor,
// which returns what is done to requests or to answers, add a row to one of the lists below, and describe
// it in docs/routes.md with an example, which a test runs.
package filters

import (
	"net/http"
	"runtime"
	"slices"

	"github.com/hashicorp/go-hclog"

	"faas-docker/function"
	"faas-docker/routes"
	"faas-docker/routes/argument"
	"faas-docker/routes/files"
)

// Options are what filters are made with. The zero value is usable.
type Options struct {
	routes.World
	// Arrival says how requests reached the first server. Nil means as they reach this
	// one; behind a proxy that ends TLS that would be without it.
	Arrival func(*http.Request) Arrival
	// Invoke is how filters call functions by themselves; nil means that they cannot.
	Invoke func(function.Name) http.Handler
	// Files is where the files lie that rules name. Empty means that they can name none.
	Files files.Folder
	// Logger gets what filters have to say. Nil discards it.
	Logger hclog.Logger

	// passwords bound the checks of passwords, of all filters together.
	passwords *turns
}

// All returns the filters of this program.
func All(o Options) []routes.FilterSpec {
	o = o.withDefaults()
	return slices.Concat(forRequests(), forAnswers(o), instead(o), bounds(o), trials(o), policyFilters())
}

// spec is a filter as rules know it; argument.Spec tells of the parameters.
func spec[F routes.Filter](name, shape, usage string, create func(args []any) (F, error)) routes.FilterSpec {
	return argument.Spec(name, shape, usage, func(args []any) (routes.Filter, error) { return create(args) })
}

func forRequests() []routes.FilterSpec {
	return []routes.FilterSpec{
		spec("setRequestHeader", "ss", `setRequestHeader("X-Item", "${item}")`, newSetRequestHeader),
		spec("appendRequestHeader", "ss", `appendRequestHeader("X-Item", "${item}")`, newAppendRequestHeader),
		spec("requestHeader", "ss", `requestHeader("X-Item", "${item}")`, newAppendRequestHeader), // its first name in skipper
		spec("dropRequestHeader", "s", `dropRequestHeader("X-Item")`, newDropRequestHeader),
		spec("copyRequestHeader", "ss", `copyRequestHeader("X-From", "X-To")`, newCopyRequestHeader),
		spec("modRequestHeader", "srs", `modRequestHeader("Host", /^old[.](.*)$/, "new.$1")`, newModRequestHeader),
		spec("queryToHeader", "ss?s", `queryToHeader("token", "Authorization", "Bearer %s")`, newQueryToHeader),
		spec("headerToQuery", "ss", `headerToQuery("X-Tenant", "tenant")`, newHeaderToQuery),
		spec("preserveHost", "s", `preserveHost("false")`, newPreserveHost),
		spec("setPath", "s", `setPath("/${item}")`, newSetPath),
		spec("modPath", "rs", `modPath(/^\/shop/, "")`, newModPath),
		spec("setQuery", "s?s", `setQuery("version", "${v}"), or setQuery("a=b&c=d") for all of it`, newSetQuery),
		spec("dropQuery", "s", `dropQuery("debug")`, newDropQuery),
		spec("stripQuery", "", `stripQuery()`, newStripQuery),
		spec("requestCookie", "ss", `requestCookie("group", "beta")`, newRequestCookie),
		spec("dropRequestCookie", "s", `dropRequestCookie("group")`, newDropRequestCookie),
	}
}

func forAnswers(o Options) []routes.FilterSpec {
	return []routes.FilterSpec{
		spec("setResponseHeader", "ss", `setResponseHeader("Cache-Control", "no-store")`, newResponseHeader(http.Header.Set)),
		spec("appendResponseHeader", "ss", `appendResponseHeader("Vary", "Cookie")`, newResponseHeader(http.Header.Add)),
		spec("responseHeader", "ss", `responseHeader("Vary", "Cookie")`, newResponseHeader(http.Header.Add)), // its first name in skipper
		spec("dropResponseHeader", "s", `dropResponseHeader("Server")`, newDropResponseHeader),
		spec("copyResponseHeader", "ss", `copyResponseHeader("X-From", "X-To")`, newCopyResponseHeader),
		spec("modResponseHeader", "srs", `modResponseHeader("Location", /^http:/, "https:")`, newModResponseHeader),
		spec("responseCookie", "ss?ts", `responseCookie("group", "beta") or responseCookie("group", "beta", "720h")`, o.newResponseCookie),
		spec("dropResponseCookie", "s", `dropResponseCookie("group")`, newDropResponseCookie),
		spec("status", "n", `status(418)`, newStatus),
		spec("compress", "?t+", `compress() or compress("text/html", "application/json")`, newCompress),
	}
}

func instead(o Options) []routes.FilterSpec {
	return []routes.FilterSpec{
		spec("healthcheck", "", `healthcheck()`, newHealthcheck),
		spec("inlineContent", "s?s", `inlineContent("hello") or inlineContent("{}", "application/json")`, newInlineContent),
		spec("redirectTo", "ns", `redirectTo(308, "https://example.org")`, o.newRedirectTo),
		spec("static", "ss", `static("/assets", "www")`, o.newStatic),
	}
}

// bounds decide who may use a route, and how much.
func bounds(o Options) []routes.FilterSpec {
	return []routes.FilterSpec{
		spec("basicAuth", "s?s", `basicAuth("/etc/htpasswd") or basicAuth("/etc/htpasswd", "the shop")`, o.newBasicAuth),
		spec("apiKey", "ss", `apiKey("X-Api-Key", "/etc/shop/keys")`, o.newAPIKey),
		spec("bearer", "s", `bearer("/etc/shop/tokens")`, o.newBearer),
		spec("jwt", "ss?s+", `jwt("RS256", "/etc/keys/issuer.pem") or jwt("ES256", "/etc/keys/issuer.pem", "iss=https://login.example.org", "aud=shop")`, o.newJWT),
		spec("cors", "?s+", `cors() or cors("https://app.example.org", "credentials", "methods=GET,PUT", "headers=X-Item", "expose=X-Total", "maxAge=600")`, newCORS),
		spec("rateLimit", "nt", `rateLimit(100, "1s")`, o.newRateLimit),
		spec("ratelimit", "nt", `ratelimit(100, "1s")`, o.newRateLimit), // skipper's name
		spec("clientRatelimit", "nt?s", `clientRatelimit(10, "1m") or clientRatelimit(10, "1m", "X-Api-Key")`, o.newClientRatelimit),
		spec("localRatelimit", "nt?s", `localRatelimit(10, "1m")`, o.newClientRatelimit), // skipper's older name
		spec("requestSize", "s", `requestSize("10Mi")`, newRequestSize),
		spec("consecutiveBreaker", "n?tnt", `consecutiveBreaker(5), consecutiveBreaker(5, "30s") or consecutiveBreaker(5, "30s", 3)`, newConsecutiveBreaker),
		spec("disableBreaker", "", `disableBreaker()`, newDisableBreaker),
	}
}

// trials are for trying things out, and for watching.
func trials(o Options) []routes.FilterSpec {
	return []routes.FilterSpec{
		spec("latency", "t?s", `latency("200ms"), or latency(0.1, "200ms") for a share`, o.newLatency),
		spec("abort", "nn", `abort(0.1, 503)`, o.newAbort),
		spec("tee", "s", `tee("function:shop-next")`, o.newTee),
		spec("accessLog", "", `accessLog()`, o.newAccessLog),
		spec("enableAccessLog", "", `enableAccessLog()`, o.newAccessLog), // skipper's name
		// Skipper's names for what is done, or is not done, anyway.
		spec("xforward", "", `xforward()`, newIdle),
		spec("disableAccessLog", "?n+", `disableAccessLog()`, newIdle),
		spec("comment", "s", `comment("why")`, newIdle),
	}
}

func (o Options) withDefaults() Options {
	o.World = o.World.WithDefaults()
	if o.Arrival == nil {
		o.Arrival = ArrivalBehind(nil)
	}
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	o.passwords = newTurns(max(1, runtime.GOMAXPROCS(0)/2))
	return o
}
