// Package metrics counts events, for Prometheus. Its series are named and labelled as the OpenFaaS
// gateway's, so that dashboards and alert rules made for the gateway work here unchanged.
package metrics

import (
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"faas-docker/function"
)

// Metrics holds every series of the program. Its methods are safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	statuses func() []function.Status

	started  *prometheus.CounterVec
	finished *prometheus.CounterVec
	seconds  *prometheus.HistogramVec

	systemRequests *prometheus.CounterVec
	systemSeconds  *prometheus.HistogramVec

	// functions spares the hot path the lookup by label values.
	functions table[function.Name, *invocations]
	// mu is held while series are made or removed: a call that ends during Forget brings none back.
	mu sync.Mutex
}

type invocations struct {
	name string
	// declared is set when its series have begun; Metrics.mu protects it.
	declared bool
	// calls are those since the function was deployed, earlier runs of the program included.
	calls    atomic.Uint64
	started  prometheus.Counter
	outcomes table[int, outcome]
}

type outcome struct {
	finished prometheus.Counter
	seconds  prometheus.Observer
}

// Sources are asked at each scrape. Nil means that there is nothing to say.
type Sources struct {
	// Statuses lists the functions there are, none twice; it must be cheap. The series of a
	// function begin at zero when it is listed first.
	Statuses func() []function.Status
	// Scaling tells a function's least number of replicas, and the load of one aimed at, zero for none.
	Scaling func(function.Function) (least int, target float64)
	// Usages tells the usage of functions; those that cannot be measured are left out.
	Usages func([]function.Name) map[function.Name]function.Usage
}

// New makes the series, and those of the Go runtime and of the process.
func New(sources Sources) *Metrics {
	invocation := []string{"function_name", "code"}
	request := []string{"code", "method", "path"}
	m := &Metrics{
		statuses:       sources.Statuses,
		registry:       prometheus.NewRegistry(),
		started:        counter("gateway_function_invocation_started", "Invocations begun.", "function_name"),
		finished:       counter("gateway_function_invocation_total", "Invocations ended, by status code.", invocation...),
		seconds:        histogram("gateway_functions_seconds", "Time from an invocation's arrival to the end of its answer.", invocation...),
		systemRequests: counter("provider_http_requests_total", "Requests to the system API.", request...),
		systemSeconds:  histogram("provider_http_request_duration_seconds", "Time that requests to the system API took.", request...),
	}
	m.registry.MustRegister(
		m.started, m.finished, m.seconds, m.systemRequests, m.systemSeconds,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	if sources.Statuses != nil {
		m.registry.MustRegister(gauges{sources})
	}
	return m
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func histogram(name, help string, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help}, labels)
}

// mostReaders bounds how many read the metrics at a time: each holds a copy of all of them.
const mostReaders = 16

// Handler answers Prometheus.
func (m *Metrics) Handler() http.Handler {
	// One series that cannot be collected must not hide all others.
	all := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: mostReaders})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.declare()
		all.ServeHTTP(w, r)
	})
}

// firstCodes are counted from zero: Prometheus sees no increase in a series that begins with one.
func firstCodes() []int { return []int{200, 400, 404, 429, 499, 500, 502, 503, 504} }

// declare begins the series of new functions. Forget waits for it: none that is deleted comes back.
func (m *Metrics) declare() {
	if m.statuses == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, status := range m.statuses() {
		name := status.ID()
		if of, ok := m.functions.get(name); ok && of.declared {
			continue
		}
		of := m.addLocked(name)
		of.declared = true
		for _, code := range firstCodes() {
			m.finished.WithLabelValues(of.name, strconv.Itoa(code))
		}
	}
}

// Started counts an invocation of a deployed function when it arrives. The name must be that of a function
// that exists: each name makes series that live until Forget.
func (m *Metrics) Started(name function.Name) {
	of := m.of(name)
	of.started.Inc()
	of.calls.Add(1)
}

// Calls is how many invocations of a function have begun, as counted here and by Resume.
func (m *Metrics) Calls(name function.Name) uint64 {
	if of, ok := m.functions.get(name); ok {
		return of.calls.Load()
	}
	return 0
}

// Resume adds the counts of earlier runs of the program, as AllCalls returned them.
func (m *Metrics) Resume(calls map[function.Name]uint64) {
	for name, count := range calls {
		m.of(name).calls.Add(count)
	}
}

// AllCalls returns Calls of every function that was called.
func (m *Metrics) AllCalls() map[function.Name]uint64 {
	calls := map[function.Name]uint64{}
	for name, of := range m.functions.load() {
		if count := of.calls.Load(); count > 0 {
			calls[name] = count
		}
	}
	return calls
}

// Finished counts the end of an invocation that Started has counted; nothing once it is forgotten.
func (m *Metrics) Finished(name function.Name, code int, took time.Duration) {
	of, ok := m.functions.get(name)
	if !ok {
		return
	}
	end, ok := of.outcomes.get(code)
	if !ok {
		if end, ok = m.addOutcome(name, code); !ok {
			return
		}
	}
	end.finished.Inc()
	end.seconds.Observe(took.Seconds())
}

// Forget removes every series of a function that was deleted.
func (m *Metrics) Forget(name function.Name) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.functions.remove(name)
	labels := prometheus.Labels{"function_name": name.String()}
	m.started.DeletePartialMatch(labels)
	m.finished.DeletePartialMatch(labels)
	m.seconds.DeletePartialMatch(labels)
}

func (m *Metrics) of(name function.Name) *invocations {
	if of, ok := m.functions.get(name); ok {
		return of
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.addLocked(name)
}

func (m *Metrics) addLocked(name function.Name) *invocations {
	if of, ok := m.functions.get(name); ok {
		return of
	}
	of := &invocations{name: name.String()}
	of.started = m.started.WithLabelValues(of.name)
	m.functions.put(name, of)
	return of
}

// addOutcome reports false when the function has been forgotten.
func (m *Metrics) addOutcome(name function.Name, code int) (outcome, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	of, ok := m.functions.get(name)
	if !ok {
		return outcome{}, false
	}
	if end, ok := of.outcomes.get(code); ok {
		return end, true
	}
	text := codeLabel(code)
	end := outcome{
		finished: m.finished.WithLabelValues(of.name, text),
		seconds:  m.seconds.WithLabelValues(of.name, text),
	}
	of.outcomes.put(code, end)
	return end, true
}

// statusClientGone is the status of calls whose client went away, as in nginx.
const statusClientGone = 499

// codeLabel is how a status is counted: by itself where it means something to HTTP, else by its class,
// because functions could make series without end. What matches 5.. matches "5xx", too.
func codeLabel(code int) string {
	switch {
	case http.StatusText(code) != "" || code == statusClientGone:
		return strconv.Itoa(code)
	case code >= 100 && code <= 599:
		return strconv.Itoa(code/100) + "xx"
	}
	return "other"
}
