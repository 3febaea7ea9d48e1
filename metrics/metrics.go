// Package metrics counts what happened, for Prometheus. Its series have the
// names and labels that the OpenFaaS gateway gives them, so that dashboards and
// alert rules made for the gateway work here unchanged.
package metrics

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"faas-docker/function"
)

// Metrics holds every series of the program. Its methods may be called by many
// goroutines at once.
type Metrics struct {
	registry *prometheus.Registry

	started  *prometheus.CounterVec
	finished *prometheus.CounterVec
	seconds  *prometheus.HistogramVec

	systemRequests *prometheus.CounterVec
	systemSeconds  *prometheus.HistogramVec

	// functions spares the hot path the lookup by label values.
	functions table[function.Name, *invocations]
	// mu is held while series of a function are made or removed, so that an
	// invocation that ends during Forget brings none of them back.
	mu sync.Mutex
}

// invocations are the counters of one function.
type invocations struct {
	name     string
	started  prometheus.Counter
	outcomes table[int, outcome]
}

// outcome are the counters of the invocations that ended with one status code.
type outcome struct {
	finished prometheus.Counter
	seconds  prometheus.Observer
}

// New makes the series, and those of the Go runtime and of the process. At each
// scrape it asks statuses for the functions there are; nil means that there are
// none. statuses must be cheap, and list no function twice.
func New(statuses func() []function.Status) *Metrics {
	invocation := []string{"function_name", "code"}
	request := []string{"code", "method", "path"}
	m := &Metrics{
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
	if statuses != nil {
		m.registry.MustRegister(newGauges(statuses))
	}
	return m
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func histogram(name, help string, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help}, labels)
}

// Handler answers Prometheus.
func (m *Metrics) Handler() http.Handler {
	// One series that cannot be collected must not hide all others.
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

// Started counts an invocation of a deployed function when it arrives. Callers
// must not pass the names of functions that do not exist: each name makes series
// that live until Forget.
func (m *Metrics) Started(name function.Name) {
	of, ok := m.functions.get(name)
	if !ok {
		of = m.add(name)
	}
	of.started.Inc()
}

// Finished counts the end of an invocation that Started has counted. When the
// function was forgotten in between, it counts nothing.
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

func (m *Metrics) add(name function.Name) *invocations {
	m.mu.Lock()
	defer m.mu.Unlock()
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
	text := strconv.Itoa(code)
	end := outcome{
		finished: m.finished.WithLabelValues(of.name, text),
		seconds:  m.seconds.WithLabelValues(of.name, text),
	}
	of.outcomes.put(code, end)
	return end, true
}
