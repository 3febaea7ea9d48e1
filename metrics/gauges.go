package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"faas-docker/function"
)

// gauges mirrors the functions' state at the moment of the scrape: nothing has to be kept twice.
type gauges struct{ Sources }

// Describe leaves the series to the scrape, which makes them.
func (gauges) Describe(chan<- *prometheus.Desc) {}

func (g gauges) Collect(series chan<- prometheus.Metric) {
	statuses := g.Statuses()
	g.collectUsage(statuses, series)
	gauge := func(name, help string, value func(function.Status) int) {
		description := prometheus.NewDesc(name, help, []string{"function_name"}, nil)
		for _, s := range statuses {
			series <- prometheus.MustNewConstMetric(description, prometheus.GaugeValue, float64(value(s)), s.ID().String())
		}
	}
	gauge("gateway_service_count", "Replicas that should run.", func(s function.Status) int { return s.Replicas })
	gauge("gateway_service_ready_count", "Replicas that answer.", function.Status.Available)
	gauge("faas_docker_inflight", "Invocations that hold a replica.", func(s function.Status) int { return s.InFlight })
	gauge("faas_docker_waiting", "Invocations held because no replica is ready.", func(s function.Status) int { return s.Waiting })
	if g.Scaling == nil {
		return
	}
	gauge("gateway_service_min", "Replicas that the function has at least when it is called.", func(s function.Status) int {
		least, _ := g.Scaling(s.Function)
		return least
	})
	target := prometheus.NewDesc("gateway_service_target", "Load of one replica that scaling aims at, in the unit of its rule.", []string{"function_name"}, nil)
	for _, s := range statuses {
		if _, load := g.Scaling(s.Function); load > 0 {
			series <- prometheus.MustNewConstMetric(target, prometheus.GaugeValue, load, s.ID().String())
		}
	}
}

// collectUsage sends the usage of the functions that have replicas, as far as it is known.
func (g gauges) collectUsage(statuses []function.Status, series chan<- prometheus.Metric) {
	if g.Usages == nil {
		return
	}
	labels := []string{"function_name", "namespace"}
	cpu := prometheus.NewDesc("pod_cpu_usage_seconds_total", "Processor time that all replicas have used.", labels, nil)
	memory := prometheus.NewDesc("pod_memory_working_set_bytes", "Memory of all replicas, without the cache that can be dropped.", labels, nil)
	var names []function.Name
	for _, status := range statuses {
		if status.Ready+status.Asleep > 0 {
			names = append(names, status.ID())
		}
	}
	for name, usage := range g.Usages(names) {
		series <- prometheus.MustNewConstMetric(cpu, prometheus.CounterValue, usage.CPUSeconds, name.String(), name.Namespace)
		series <- prometheus.MustNewConstMetric(memory, prometheus.GaugeValue, usage.MemoryBytes, name.String(), name.Namespace)
	}
}
