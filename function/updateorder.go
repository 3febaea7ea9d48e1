package function

// AnnotationUpdateOrder says whether an update starts the new replicas before it stops the old
// ones: "start-first", as without it, or "stop-first", for functions of which there must not be
// two at a time, or no room for two. The words are those of Docker's Swarm services.
const AnnotationUpdateOrder = "com.openfaas.update.order"

const (
	orderStartFirst = "start-first"
	orderStopFirst  = "stop-first"
)

// StopsFirst reports whether an update to this spec stops each old replica before it starts a new one.
func (s Spec) StopsFirst() bool {
	text, _, _ := s.Metadata().Find(AnnotationUpdateOrder)
	return text == orderStopFirst
}

func (s Spec) validateUpdateOrder() error {
	var order string
	return s.Metadata().text(AnnotationUpdateOrder, &order, func(text string) bool {
		return text == orderStartFirst || text == orderStopFirst
	}, orderStartFirst+" or "+orderStopFirst)
}
