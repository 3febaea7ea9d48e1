package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"faas-docker/function"
)

// gauges mirrors what the program knows of its functions at the moment of the
// scrape, so that nothing has to be kept twice.
type gauges struct {
	statuses func() []function.Status

	desired  *prometheus.Desc
	ready    *prometheus.Desc
	inFlight *prometheus.Desc
	waiting  *prometheus.Desc
}

func newGauges(statuses func() []function.Status) *gauges {
	gauge := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"function_name"}, nil)
	}
	return &gauges{
		statuses: statuses,
		desired:  gauge("gateway_service_count", "Replicas that should run."),
		ready:    gauge("gateway_service_ready_count", "Replicas that answer."),
		inFlight: gauge("faas_docker_inflight", "Invocations that hold a replica."),
		waiting:  gauge("faas_docker_waiting", "Invocations held because no replica is ready."),
	}
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(descriptions chan<- *prometheus.Desc) {
	for _, description := range []*prometheus.Desc{g.desired, g.ready, g.inFlight, g.waiting} {
		descriptions <- description
	}
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(series chan<- prometheus.Metric) {
	for _, status := range g.statuses() {
		name := status.ID().String()
		send := func(description *prometheus.Desc, value int) {
			series <- prometheus.MustNewConstMetric(description, prometheus.GaugeValue, float64(value), name)
		}
		send(g.desired, status.Replicas)
		send(g.ready, status.Available())
		send(g.inFlight, status.InFlight)
		send(g.waiting, status.Waiting)
	}
}
