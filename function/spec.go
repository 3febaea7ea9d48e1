package function

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"
)

// The labels a container carries beside the user's own. They say whose container it is, so all
// but LabelFaaS are refused in deployments.
const (
	LabelFunction  = "com.openfaas.function"
	LabelNamespace = "com.openfaas.namespace"
	LabelRevision  = "com.openfaas.revision"
	LabelSpec      = "com.openfaas.spec"
	LabelProvider  = "com.openfaas.provider"
	LabelRole      = "com.openfaas.role"
	// LabelHolder is the container whose network namespace a replica joined, and LabelAddress
	// its IP address there; both are empty on a replica with a namespace of its own.
	LabelHolder  = "com.openfaas.holder"
	LabelAddress = "com.openfaas.address"
	// LabelPort is where a replica listens, and LabelImageConfig what its image says of it, as
	// JSON. Containers of older providers have neither.
	LabelPort        = "com.openfaas.port"
	LabelImageConfig = "com.openfaas.image-config"
	// LabelFaaS is what faas-netes adds to every function; tools select by it.
	LabelFaaS = "faas_function"
)

// The values of LabelRole. Every container has one, so that no image's label can change it.
const (
	RoleFunction    = "function"
	RoleSecrets     = "secrets"
	RoleHolder      = "holder"
	RoleHolderImage = "holder-image"
)

// AnnotationCapabilities names Linux capabilities to give back, separated by commas:
// "NET_BIND_SERVICE,CHOWN". All others stay dropped.
const AnnotationCapabilities = "com.openfaas.capabilities"

// Spec is the deployment that a user asked for, field for field as OpenFaaS's
// FunctionDeployment carries it, and a function of a stack file in YAML. It is kept verbatim, so
// that clients read back what they sent. One that has been stored is shared and never modified.
type Spec struct {
	Name                   string            `json:"service" yaml:"-"`
	Namespace              string            `json:"namespace,omitempty" yaml:"namespace"`
	Image                  string            `json:"image" yaml:"image"`
	EnvProcess             string            `json:"envProcess,omitempty" yaml:"fprocess"`
	EnvVars                map[string]string `json:"envVars,omitempty" yaml:"environment"`
	Constraints            []string          `json:"constraints,omitempty" yaml:"constraints"`
	Secrets                []string          `json:"secrets,omitempty" yaml:"secrets"`
	Labels                 map[string]string `json:"labels,omitempty" yaml:"labels"`
	Annotations            map[string]string `json:"annotations,omitempty" yaml:"annotations"`
	Limits                 *Resources        `json:"limits,omitempty" yaml:"limits"`
	Requests               *Resources        `json:"requests,omitempty" yaml:"requests"`
	ReadOnlyRootFilesystem bool              `json:"readOnlyRootFilesystem,omitempty" yaml:"readonly_root_filesystem"`
}

// Resources are amounts as the user wrote them, field for field as OpenFaaS's
// FunctionResources. An empty text means no limit, or no reservation.
type Resources struct {
	Memory    string `json:"memory,omitempty" yaml:"memory"`
	CPU       string `json:"cpu,omitempty" yaml:"cpu"`
	NvidiaGPU string `json:"nvidia.com/gpu,omitempty" yaml:"nvidia.com/gpu"`
	AmdGPU    string `json:"amd.com/gpu,omitempty" yaml:"amd.com/gpu"`
	IntelGPU  string `json:"intel.com/gpu,omitempty" yaml:"intel.com/gpu"`
}

// Function is a Spec that was accepted, with what the provider decided about it.
type Function struct {
	Spec
	// Revision numbers accepted deployments; it grows across all functions and is never used
	// twice, so a function that is deployed anew does not mistake old containers for new ones.
	Revision uint64 `json:"revision"`
	// Replicas is how many should run.
	Replicas int `json:"replicas"`
	// ImageID is the image that the reference meant at the deployment; empty until that is known.
	ImageID string `json:"imageID,omitempty"`
	// ImageDigest is the Digest of that image: see Image.
	ImageDigest string `json:"imageDigest,omitempty"`
	// ImageConfig is what that image says of its containers; nil until that is known.
	ImageConfig *ImageConfig `json:"imageConfig,omitempty"`
	// CreatedAt is when the function was first deployed.
	CreatedAt time.Time `json:"createdAt"`
	// Answered is set when all replicas of this revision were seen to answer at one time.
	Answered bool `json:"answered,omitempty"`
	// Previous is the revision that served before, while it still does or can be gone back to;
	// nil when there is none.
	Previous *Previous `json:"previous,omitempty"`
}

// ID returns the name that identifies the function.
func (s Spec) ID() Name { return Name{Name: s.Name, Namespace: s.Namespace} }

// Equal reports whether two specs ask for the same thing.
func (s Spec) Equal(other Spec) bool { return reflect.DeepEqual(s.canonical(), other.canonical()) }

// canonical folds the spellings of "nothing" together: nil and empty are equal.
func (s Spec) canonical() Spec {
	for _, m := range []*map[string]string{&s.EnvVars, &s.Labels, &s.Annotations} {
		if len(*m) == 0 {
			*m = nil
		}
	}
	for _, l := range []*[]string{&s.Constraints, &s.Secrets} {
		if len(*l) == 0 {
			*l = nil
		}
	}
	for _, r := range []**Resources{&s.Limits, &s.Requests} {
		if *r != nil && **r == (Resources{}) {
			*r = nil
		}
	}
	return s
}

// Validate checks all that can be judged without asking the engine, and reports the first field
// that is wrong as an ErrInvalid that names it.
func (s Spec) Validate() error {
	return cmp.Or(
		s.ID().Validate(),
		s.validateImage(),
		s.validateEnv(),
		s.validateSecrets(),
		s.validateLabels(),
		s.validateAnnotations(),
		s.Metadata().validateKeys(),
		errorOf(callPolicy(s.Metadata())),
		errorOf(s.RollbackWindow()),
		errorOf(s.PullPolicy(PullIfNewer)),
		s.validateProbes(),
		s.validateUpdateOrder(),
		s.validateConstraints(),
		s.Limits.validate("limits"),
		s.Requests.validate("requests"),
		s.validateRequestsFitLimits(),
	)
}

func errorOf[T any](_ T, err error) error { return err }

func (s Spec) validateImage() error {
	if s.Image == "" {
		return Invalid("image", "missing: want a reference such as %q", "ghcr.io/openfaas/figlet:latest")
	}
	return nil
}

func (s Spec) validateEnv() error {
	if strings.ContainsRune(s.EnvProcess, 0) {
		return Invalid("envProcess", "contains a NUL byte")
	}
	for _, name := range slices.Sorted(maps.Keys(s.EnvVars)) {
		// As Kubernetes has it: a C identifier, widened by dots and dashes.
		if name == "" || !hasOnly(name, nameLetters) || hasOnly(name[:1], digits) {
			return Invalid(fmt.Sprintf("envVars[%q]", name), "not a variable's name: want letters, digits, '_', '-' and '.', not beginning with a digit")
		}
		if strings.ContainsRune(s.EnvVars[name], 0) {
			return Invalid(fmt.Sprintf("envVars[%q]", name), "the value contains a NUL byte")
		}
		if size := len(name) + len("=") + len(s.EnvVars[name]); size > longestVariable {
			return Invalid(fmt.Sprintf("envVars[%q]", name), "name and value have %d bytes, and Linux starts no process with more than %d: use a secret, or a file of the image", size, longestVariable)
		}
	}
	return nil
}

// longestVariable is how long a variable may be, with its name and "=", in bytes: MAX_ARG_STRLEN of Linux,
// execve(2), without the NUL at its end.
const longestVariable = 128<<10 - 1

func (s Spec) validateSecrets() error {
	seen := map[string]bool{}
	for i, name := range s.Secrets {
		if ValidateSecretName(name) != nil {
			return Invalid(fmt.Sprintf("secrets[%d]", i), "%q is not a secret name: %s", name, secretNameRule)
		}
		if seen[name] {
			return Invalid(fmt.Sprintf("secrets[%d]", i), "%q is listed twice", name)
		}
		seen[name] = true
	}
	return nil
}

func (s Spec) validateLabels() error {
	reserved := reservedKeys()
	for _, key := range slices.Sorted(maps.Keys(s.Labels)) {
		field := fmt.Sprintf("labels[%q]", key)
		switch {
		case key == "":
			return Invalid("labels", "a label has no name")
		case strings.ContainsRune(key, 0) || strings.ContainsRune(s.Labels[key], 0):
			return Invalid(field, "contains a NUL byte")
		case slices.Contains(reserved, key):
			return Invalid(field, "is set by the provider: choose another name")
		case isDockers(key):
			return Invalid(field, "names beneath com.docker, io.docker and org.dockerproject are Docker's own: Compose finds its containers by them")
		case key == LabelFaaS && s.Labels[key] != s.Name:
			return Invalid(field, "%q: may only repeat the function's name, %q", s.Labels[key], s.Name)
		}
	}
	return nil
}

// isDockers reports whether a label is reserved for Docker and its tools:
// https://docs.docker.com/engine/manage-resources/labels/.
func isDockers(key string) bool {
	return strings.HasPrefix(key, "com.docker.") || strings.HasPrefix(key, "io.docker.") || strings.HasPrefix(key, "org.dockerproject.")
}

func (s Spec) validateAnnotations() error {
	for key := range s.Annotations {
		if key == "" {
			return Invalid("annotations", "an annotation has no name")
		}
	}
	for _, key := range guardKeys() {
		if text, field, found := s.Metadata().Find(key); found && strings.TrimSpace(text) == "" {
			return Invalid(field, "is empty, and would leave the function open: leave it out if that is meant")
		}
	}
	return s.validateCapabilities()
}

func (s Spec) validateCapabilities() error {
	for _, name := range s.Capabilities() {
		if !slices.Contains(grantable(), strings.TrimPrefix(name, "CAP_")) {
			return Invalid(fmt.Sprintf("annotations[%q]", AnnotationCapabilities), "%q cannot be given to a function: allowed are %s", name, strings.Join(grantable(), ", "))
		}
	}
	return nil
}

// Capabilities returns what the function asks back of the dropped capabilities, in upper case.
func (s Spec) Capabilities() []string {
	var names []string
	given, _, _ := s.Metadata().Find(AnnotationCapabilities)
	for name := range strings.SplitSeq(given, ",") {
		if name = strings.ToUpper(strings.TrimSpace(name)); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// grantable are those that Docker gives by default; none reaches beyond the container.
func grantable() []string {
	return []string{
		"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD",
		"NET_BIND_SERVICE", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
	}
}

func (s Spec) validateConstraints() error {
	for i, text := range s.Constraints {
		if _, err := ParseConstraint(text); err != nil {
			return Invalid(fmt.Sprintf("constraints[%d]", i), "%q: want key=value, key==value or key!=value", text)
		}
	}
	return nil
}

func (s Spec) validateRequestsFitLimits() error {
	if s.Requests == nil || s.Limits == nil {
		return nil
	}
	limits := s.Limits.amounts()
	for i, request := range s.Requests.amounts() {
		limit := limits[i]
		if request.text == "" || limit.text == "" {
			continue
		}
		least, _ := request.parse(request.text)
		if most, _ := limit.parse(limit.text); least > most {
			return Invalid("requests."+request.field, "%q is more than limits.%s, %q", request.text, limit.field, limit.text)
		}
	}
	return nil
}

// amount is one of the amounts in Resources.
type amount struct {
	field, text string
	parse       func(string) (int64, error)
	want        string
}

func (r *Resources) amounts() []amount {
	const gpus = "a whole number from 1 to 64, or all"
	return []amount{
		{"memory", r.Memory, ParseMemory, "an amount such as 128Mi, 1Gi, 128m or 512mb"},
		{"cpu", r.CPU, ParseCPU, "an amount such as 100m, 0.5 or 2"},
		{"nvidia.com/gpu", r.NvidiaGPU, gpuAmount, gpus},
		{"amd.com/gpu", r.AmdGPU, gpuAmount, gpus},
		{"intel.com/gpu", r.IntelGPU, gpuAmount, gpus},
	}
}

// gpuAmount is a count of GPUs that can be compared: all are more than any count.
func gpuAmount(text string) (int64, error) {
	count, err := ParseGPUs(text)
	if count < 0 {
		return math.MaxInt64, err
	}
	return int64(count), err
}

// Amounts returns the memory, in bytes, and the processor time, in billionths of a core. What is
// not stated, or does not parse, is zero.
func (r *Resources) Amounts() (memory, nanoCPUs int64) {
	if r != nil {
		memory, _ = ParseMemory(r.Memory)
		nanoCPUs, _ = ParseCPU(r.CPU)
	}
	return memory, nanoCPUs
}

func (r *Resources) validate(field string) error {
	if r == nil {
		return nil
	}
	for _, a := range r.amounts() {
		n, err := a.parse(a.text)
		switch {
		case a.text == "":
		case err != nil:
			return Invalid(field+"."+a.field, "%q: want %s", a.text, a.want)
		case a.field == "memory" && n < leastMemory:
			return Invalid(field+"."+a.field, "%q is %d bytes, too few for any process: perhaps it lacks a unit, such as Mi", a.text, n)
		}
	}
	return nil
}

// leastMemory is the least that may be asked for, in bytes. Docker's least is higher, and is given then.
const leastMemory = 1 << 20
