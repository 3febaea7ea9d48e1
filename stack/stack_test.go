package stack

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/openfaas/faas-provider/types"
	faascli "github.com/openfaas/go-sdk/stack"

	"faas-docker/function"
)

// head is how every stack file begins.
const head = "version: 1.0\nprovider:\n  name: openfaas\n"

func write(t *testing.T, folder, name, text string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func reader() Reader { return Reader{Namespace: function.DefaultNamespace, Lookup: os.LookupEnv} }

// asFaasCLI returns what faas-cli's own parser makes of a text.
func asFaasCLI(t *testing.T, text string) map[string]function.Spec {
	t.Helper()
	services, err := faascli.ParseYAMLData([]byte(text), "", "", true)
	if err != nil {
		t.Fatalf("faas-cli refuses it: %v", err)
	}
	specs := map[string]function.Spec{}
	for name, f := range services.Functions {
		spec := function.Spec{
			Name: name, Namespace: f.Namespace, Image: f.Image, EnvProcess: f.FProcess, EnvVars: f.Environment,
			Secrets: f.Secrets, ReadOnlyRootFilesystem: f.ReadOnlyRootFilesystem,
		}
		if spec.Namespace == "" {
			spec.Namespace = function.DefaultNamespace
		}
		if f.Constraints != nil {
			spec.Constraints = *f.Constraints
		}
		if f.Labels != nil {
			spec.Labels = *f.Labels
		}
		if f.Annotations != nil {
			spec.Annotations = *f.Annotations
		}
		if f.Limits != nil {
			spec.Limits = &function.Resources{Memory: f.Limits.Memory, CPU: f.Limits.CPU}
		}
		if f.Requests != nil {
			spec.Requests = &function.Resources{Memory: f.Requests.Memory, CPU: f.Requests.CPU}
		}
		specs[name] = spec
	}
	return specs
}

// Whatever faas-cli takes is read as faas-cli reads it.
func TestRead_ReadsWhatFaasCLIReads(t *testing.T) {
	t.Setenv("STACK_TAG", "1.2")
	t.Setenv("STACK_PORT", "8080")
	t.Setenv("STACK_EMPTY", "")
	for name, text := range map[string]string{
		"every field": head + `
functions:
  alpha:
    lang: dockerfile
    handler: ./alpha
    image: alpha:latest
    namespace: dev
    fprocess: ./run
    environment: {direct: "1", count: 12}
    secrets: [token]
    constraints: ["disk=ssd"]
    labels: {a: b}
    annotations: {topic: x}
    limits: {memory: 128Mi, cpu: 100m}
    requests: {memory: 64Mi, cpu: 50m}
    readonly_root_filesystem: true
    skip_build: true
    build_options: [dev]
    build_args: {A: b}
    platforms: linux/amd64
    build_secrets: {a: b}
configuration:
  copy: [common]
  templates: [{name: golang-middleware, source: "https://example.com/t"}]
`,
		"no functions":              head + "functions: {}\n",
		"functions without a value": head + "functions:\n",
		"functions left out":        head,
		"quoted names":              head + "functions:\n  \"alpha\":\n    image: a:1\n  'beta':\n    image: \"b:1\"\n",
		"names that are numbers":    head + "functions:\n  1:\n    image: a:1\n  0x1f: {image: b:1}\n",
		"flow style":                `{"version": "1.0", "provider": {"name": "openfaas"}, "functions": {"alpha": {"image": "a:1", "labels": {"x": "y"}}}}`,
		"deep indentation":          head + "functions:\n        alpha:\n                image: a:1\n                labels:\n                    x: y\n",
		"functions before provider": "functions:\n  alpha:\n    image: a:1\nprovider:\n  name: openfaas\n  gateway: http://127.0.0.1:8080\n",
		"no version":                "provider: {name: openfaas}\nfunctions: {alpha: {image: a:1}}\n",
		"a marker at the beginning": "---\n" + head + "functions: {alpha: {image: a:1}}\n",
		"several documents":         head + "functions: {alpha: {image: a:1}}\n---\n" + head + "functions: {beta: {image: b:1}}\n",
		"CRLF":                      strings.ReplaceAll(head+"functions:\n  alpha:\n    image: a:1\n    environment:\n      text: |\n        two\n        lines\n", "\n", "\r\n"),
		"a byte order mark":         "\ufeff" + head + "functions: {alpha: {image: a:1}}\n",
		"anchors and merge keys": head + `
x-common: &common
  image: a:1
  environment: &env {level: info, retries: 3}
  labels: {team: a}
functions:
  alpha:
    <<: *common
    labels: {team: b}
  beta:
    <<: [*common, {image: b:1, fprocess: run}]
    environment:
      <<: *env
      level: debug
  gamma: *common
`,
		"values that are no texts": head + `
functions:
  alpha:
    image: a:1
    environment: {yes: true, no: no, float: 1.50, hex: 0x1F, octal: 010, date: 2026-01-02, none: ~, empty: , big: 12345678901234567890, text: "quoted"}
    annotations: {com.openfaas.scale.zero: true, prio: 7, share: 0.5, at: 2026-01-02T03:04:05Z}
    labels: {com.openfaas.scale.min: 1, com.openfaas.scale.max: 5}
    limits: {cpu: 1, memory: 64Mi}
    secrets: [1, true]
    constraints: ["node.role == worker"]
`,
		"blocks of text": head + "functions:\n  alpha:\n    image: a:1\n    annotations:\n      schedule: >-\n        one\n        two\n      text: |+\n        a: b\n\n",
		"variables": head + `
functions:
  alpha-${STACK_TAG%.*}:
    image: registry.local:${STACK_PORT}/alpha:${STACK_TAG}
    environment:
      default: ${STACK_MISSING:-fallback}
      nested: ${STACK_MISSING:-${STACK_TAG}}
      empty: "${STACK_EMPTY}"
      upper: ${STACK_TAG^^}
      length: ${#STACK_TAG}
      assigned: ${STACK_EMPTY:=y}
      replaced: ${STACK_TAG/./-}
      url: ${STACK_MISSING:-http://x:80/y?a=b}
      dollar: $${STACK_TAG} costs $5 and $HOME
    # ${STACK_TAG} in a comment
`,
		"nothing but a function's name": head + "functions:\n  alpha: {image: a:1, environment: {}, secrets: [], labels: {}, limits: {}}\n",
		"names of namespaces":           head + "functions:\n  alpha: {image: a:1, namespace: openfaas-fn}\n  beta: {image: a:1, namespace: \"staging\"}\n",
	} {
		t.Run(name, func(t *testing.T) {
			want := asFaasCLI(t, text)
			file, err := reader().Read(write(t, t.TempDir(), "stack.yml", text))
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]function.Spec{}
			for _, f := range file.Functions {
				if f.Err != nil {
					t.Errorf("%s: %v", f.Spec.Name, f.Err)
				}
				got[f.Spec.Name] = f.Spec
			}
			if !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))) {
				t.Fatalf("got %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
			}
			for name := range want {
				if !got[name].Equal(want[name]) {
					t.Errorf("got  %+v\nwant %+v", got[name], want[name])
				}
			}
		})
	}
}

// Mappings that are merged into each other many times over cost no more than once each.
func TestRead_EndsWithMergedMappings(t *testing.T) {
	text := head + "x-0: &a0 {image: a:1}\n"
	for i := range 60 {
		text += fmt.Sprintf("x-%d: &a%d {<<: [*a%d, *a%d, *a%d]}\n", i+1, i+1, i, i, i)
	}
	file, err := reader().Read(write(t, t.TempDir(), "stack.yml", text+"functions:\n  alpha: {<<: *a60}\n  zeta: {image: z:1}\n"))
	if err != nil || len(file.Functions) != 2 || file.Functions[1].Err != nil {
		t.Fatal(file, err)
	}
}

// FuzzRead looks for texts that do not end well, and for those that faas-cli reads
// otherwise.
func FuzzRead(f *testing.F) {
	for _, text := range []string{
		head + "functions: {alpha: {image: a:1, environment: {a: 1}}}\n",
		head + "x: &x {image: a:1}\nfunctions:\n  alpha: {<<: *x, labels: {a: b}}\n  beta: *x\n",
		head + "functions:\n  alpha:\n    image: ${A:-b}\n    secrets: [a]\n---\n",
	} {
		f.Add(text)
	}
	folder := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		path := write(t, folder, "stack.yml", text)
		file, err := Reader{Namespace: function.DefaultNamespace}.Read(path)
		if err != nil {
			return
		}
		services, err := faascli.ParseYAMLData([]byte(text), "", "", true)
		if err != nil {
			return
		}
		for _, read := range file.Functions {
			theirs, there := services.Functions[read.Spec.Name]
			if read.Err == nil && (!there || theirs.Image != read.Spec.Image || !maps.Equal(theirs.Environment, read.Spec.EnvVars)) {
				t.Errorf("%+v\nfaas-cli: %+v", read.Spec, theirs)
			}
		}
	})
}

// What the schema of faas-cli and the API have, a stack file may have: a field that is
// new there fails this test.
func TestRead_KnowsEveryFieldOfTheSchema(t *testing.T) {
	keys := func(kind reflect.Type) (list []string) {
		for _, f := range reflect.VisibleFields(kind) {
			if key, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); key != "-" {
				list = append(list, key)
			}
		}
		return list
	}
	for _, tc := range []struct {
		what  string
		known []string
		want  []string
	}{
		{"the file", topKeys(), keys(reflect.TypeFor[faascli.Services]())},
		{"provider", providerKeys(), keys(reflect.TypeFor[faascli.Provider]())},
		{"a function", functionKeys(), keys(reflect.TypeFor[faascli.Function]())},
		{"limits", resourceKeys(), keys(reflect.TypeFor[faascli.FunctionResources]())},
	} {
		for _, key := range tc.want {
			if !slices.Contains(tc.known, key) {
				t.Errorf("%s: the key %s of faas-cli is not known", tc.what, key)
			}
		}
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[types.FunctionResources]()) {
		if key, _, _ := strings.Cut(f.Tag.Get("json"), ","); !slices.Contains(resourceKeys(), key) {
			t.Errorf("limits: the API's %s cannot be said in a stack file", key)
		}
	}
	if count := reflect.TypeFor[types.FunctionDeployment]().NumField(); count != 12 {
		t.Errorf("the API's FunctionDeployment has %d fields and not 12: look whether a stack file carries the new ones", count)
	}
}

func TestRead_CarriesProcessors(t *testing.T) {
	text := head + "functions:\n  alpha:\n    image: a:1\n    limits: {nvidia.com/gpu: 1, amd.com/gpu: \"2\", intel.com/gpu: all}\n    requests:\n      nvidia.com/gpu: 1\n"
	file, err := reader().Read(write(t, t.TempDir(), "stack.yml", text))
	if err != nil || len(file.Functions) != 1 {
		t.Fatal(file, err)
	}
	got := file.Functions[0].Spec
	if *got.Limits != (function.Resources{NvidiaGPU: "1", AmdGPU: "2", IntelGPU: "all"}) || *got.Requests != (function.Resources{NvidiaGPU: "1"}) {
		t.Errorf("limits %+v, requests %+v", got.Limits, got.Requests)
	}
	if len(file.Notes) > 0 {
		t.Error(file.Notes)
	}
}

// Whatever is wrong with one function, the others are read.
func TestRead_OneBadFunctionCostsOneFunction(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "dotenv.yml", "A=b\nC=d\n")
	write(t, folder, "list.yml", "environment: [a]\n")
	write(t, folder, "broken.yml", "environment: {\n")
	if err := os.Mkdir(filepath.Join(folder, "folder.yml"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, bad, want string }{
		{"no value", "bad:", "image"},
		{"no image", "bad: {labels: {a: b}}", "image"},
		{"a text for a function", "bad: figlet:latest", "line 7: the text \"figlet:latest\""},
		{"a list for a function", "bad: [a, b]", "line 7: a list"},
		{"environment as a list", "bad: {image: a:1, environment: [A=b]}", "line 7: a list: want NAME: value"},
		{"a list within the environment", "bad: {image: a:1, environment: {A: [b]}}", "line 7: a list: want a text"},
		{"a mapping within labels", "bad: {image: a:1, labels: {A: {b: c}}}", "line 7: a mapping: want a text"},
		{"secrets as a text", "bad: {image: a:1, secrets: token}", "line 7: \"token\": want a list of texts"},
		{"environment_file as a text", "bad: {image: a:1, environment_file: env.yml}", "line 7: \"env.yml\": want a list of texts"},
		{"constraints as a mapping", "bad: {image: a:1, constraints: {disk: ssd}}", "line 7: a mapping: want a list of texts"},
		{"limits as a text", "bad: {image: a:1, limits: 128Mi}", "line 7: \"128Mi\": want names with values"},
		{"an amount that is none", "bad: {image: a:1, limits: {memory: lots}}", "limits.memory"},
		{"a truth in quotes", "bad: {image: a:1, readonly_root_filesystem: \"true\"}", "want true or false, without quotes"},
		{"a key twice", "bad:\n    image: a:1\n    image: b:1", "line 9: mapping key \"image\" already defined at line 8"},
		{"a variable twice", "bad: {image: a:1, environment: {A: b, A: c}}", "\"A\" already defined"},
		{"the function twice", "bad: {image: a:1}\n  bad: {image: b:1}", "line 8: the function is defined at line 7 already"},
		{"a bad name", "Bad_Name: {image: a:1}", "Bad_Name"},
		{"a bad namespace", "bad: {image: a:1, namespace: No_Such}", "No_Such"},
		{"a bad secret", "bad: {image: a:1, secrets: [../etc]}", "secrets[0]"},
		{"an environment_file that is missing", "bad: {image: a:1, environment_file: [none.yml]}", "none.yml"},
		{"an environment_file elsewhere that is missing", "bad: {image: a:1, environment_file: [../none.yml]}", "no such file or directory: it is outside \"" + folder + "\", the folder of the stack file, which is all that make up mounts"},
		{"an environment_file with a path that is missing", "bad: {image: a:1, environment_file: [/none/none.yml]}", "is outside"},
		{"an environment_file of another kind", "bad: {image: a:1, environment_file: [dotenv.yml]}", "want the key environment"},
		{"an environment_file with a list", "bad: {image: a:1, environment_file: [list.yml]}", "list.yml"},
		{"an environment_file that is no YAML", "bad: {image: a:1, environment_file: [broken.yml]}", "broken.yml"},
		{"an environment_file that is a folder", "bad: {image: a:1, environment_file: [folder.yml]}", "not a regular file"},
		{"an environment_file without end", "bad: {image: a:1, environment_file: [/dev/zero]}", "not a regular file"},
		{"a variable without its end", "bad:\n    image: a:${STACK_TAG\n    fprocess: run", "line 8: replace variables"},
		{"an operator that there is not", "bad: {image: \"a:${STACK_TAG-latest}\"}", "line 7: replace variables"},
		{"a variable without a name", "bad: {image: \"a:${}\"}", "line 7: replace variables"},
		{"another program's variable", "bad:\n    image: a:1\n    annotations:\n      x: \"${{ github.sha }}\"", "line 10: replace variables"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			text := head + "functions:\n  alpha:\n    image: a:1\n  " + tc.bad + "\n  zeta: {image: \"z:${STACK_MISSING:-9}\"}\n"
			file, err := reader().Read(write(t, folder, "stack.yml", text))
			if err != nil {
				t.Fatal(err)
			}
			var good []string
			for _, f := range file.Functions {
				if f.Err == nil {
					good = append(good, f.Spec.Name+"="+f.Spec.Image)
					continue
				}
				if f.Line != 7 || f.Spec.Namespace == "" || !strings.Contains(f.Err.Error(), tc.want) || strings.Contains(f.Err.Error(), "\n") {
					t.Errorf("%s at line %d: %q does not say %q", f.Spec.Name, f.Line, f.Err, tc.want)
				}
			}
			if len(file.Functions) != 3 || !slices.Equal(good, []string{"alpha=a:1", "zeta=z:9"}) {
				t.Errorf("good are %v of %d, want alpha and zeta of 3", good, len(file.Functions))
			}
		})
	}
}

// What faas-cli refuses as a whole is refused, with the reason on one line.
func TestRead_RefusesWhatIsNoStackFile(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"empty", "", "it is empty"},
		{"only a comment", "# nothing\n", "it is empty"},
		{"no YAML", head + "functions: [\n", "line"},
		{"a tab", head + "functions:\n\talpha:\n\t\timage: a:1\n", "line 5: a tab"},
		{"a list", "- a\n- b\n", "line 1: a list"},
		{"a text", "hello\n", "hello"},
		{"no provider", "functions: {alpha: {image: a:1}}\n", "provider.name is \"\": want openfaas"},
		{"another provider", "provider: {name: faas}\n", "provider.name is \"faas\""},
		{"a provider that is a text", "provider: openfaas\n", "openfaas"},
		{"another version", "version: 2.0\nprovider: {name: openfaas}\n", "version is \"2.0\": want 1.0"},
		{"functions as a list", head + "functions:\n  - alpha\n", "functions: line 5: a list"},
		{"functions twice", head + "functions: {}\nfunctions: {}\n", "already defined"},
		{"a variable outside functions", "provider: {name: \"${OPEN\"}\n", "provider.name"},
		{"a mapping in itself", head + "functions: &f\n  a: *f\n", ""},
		{"merged into itself", head + "functions: &f\n  <<: *f\n", "merged"},
		{"no UTF-8", head + "functions: {alpha: {image: \"\xff\xfe\"}}\n", "UTF-8"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := write(t, t.TempDir(), "stack.yml", tc.text)
			file, err := reader().Read(path)
			if tc.want == "" { // refused or not: it comes to an end
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, %v; want an error of %s that says %q", file, err, path, tc.want)
			}
		})
	}
	for _, path := range []string{"none.yml", t.TempDir(), "/dev/zero"} {
		if _, err := reader().Read(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A key that means nothing is named with its place, and stops nothing.
func TestRead_NamesWhatItPassesOver(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "env.yml", "environment: {a: b}\nEnvironment: {c: d}\n")
	for _, tc := range []struct{ name, text, want string }{
		{"of a function", head + "functions:\n  alpha:\n    image: a:1\n    enviroment: {a: b}\n", "7: enviroment: unknown key, it has no effect: do you mean environment?"},
		{"in other case", head + "functions:\n  alpha:\n    Image: a:2\n    image: a:1\n", "6: Image: unknown key"},
		{"of Compose", head + "functions:\n  alpha:\n    image: a:1\n    volumes: [\"/a:/b\"]\n", "7: volumes: unknown key"},
		{"camel case", head + "functions:\n  alpha:\n    image: a:1\n    readOnlyRootFilesystem: true\n", "7: readOnlyRootFilesystem: unknown key, it has no effect: do you mean readonly_root_filesystem?"},
		{"with dashes", head + "functions:\n  alpha:\n    image: a:1\n    environment-file: [x]\n", "7: environment-file: unknown key, it has no effect: do you mean environment_file?"},
		{"of limits", head + "functions:\n  alpha:\n    image: a:1\n    limits:\n      mem: 1Mi\n", "8: mem: unknown key"},
		{"of requests", head + "functions:\n  alpha:\n    image: a:1\n    requests: {gpu: 1}\n", "7: gpu: unknown key"},
		{"of provider", "provider:\n  name: openfaas\n  url: http://x\nfunctions: {alpha: {image: a:1}}\n", "3: url: unknown key"},
		{"of the file", head + "function:\n  beta: {image: b:1}\nfunctions: {alpha: {image: a:1}}\n", "4: function: unknown key, it has no effect: do you mean functions?"},
		{"merged", head + "x-a: &a\n  replicas: 3\nfunctions:\n  alpha:\n    <<: *a\n    image: a:1\n", "5: replicas: unknown key"},
		{"quoted", head + "functions:\n  alpha:\n    image: a:1\n    \"scale\": 2\n", "7: scale: unknown key"},
		{"of an environment_file", head + "functions:\n  alpha: {image: a:1, environment_file: [env.yml]}\n", "env.yml:2: Environment: unknown key"},
		{"a second document", head + "functions: {alpha: {image: a:1}}\n---\nprovider: {name: openfaas}\n", "only the first document"},
		{"a variable that is not set", head + "functions:\n  alpha: {image: \"a:1${STACK_MISSING}\"}\n", "5: ${STACK_MISSING}: the variable is not set"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := write(t, folder, "stack.yml", tc.text)
			file, err := reader().Read(path)
			if err != nil || len(file.Functions) != 1 || file.Functions[0].Err != nil {
				t.Fatal(file, err)
			}
			if len(file.Notes) != 1 || !strings.Contains(file.Notes[0].String(), tc.want) || !strings.HasPrefix(file.Notes[0].File, folder) {
				t.Errorf("got %v, want one note that says %q", file.Notes, tc.want)
			}
		})
	}
}

func TestRead_AddsFilesOfVariables(t *testing.T) {
	folder, elsewhere := t.TempDir(), t.TempDir()
	write(t, folder, "a.yml", "environment: {one: 1, two: a, three: a}\n")
	write(t, folder, "in/b.yml", "environment:\n  two: b\n  six: ${three}\n")
	other := write(t, elsewhere, "c.yml", "environment: {four: yes please}\n")
	write(t, folder, "empty.yml", "")
	path := write(t, folder, "stack.yml", head+"functions:\n  alpha:\n    image: a:1\n    environment: {one: direct, five: direct}\n    environment_file:\n      - a.yml\n      - ./in/b.yml\n      - "+other+"\n      - empty.yml\n")
	file, err := reader().Read(path)
	if err != nil || len(file.Functions) != 1 || file.Functions[0].Err != nil {
		t.Fatal(file, err)
	}
	want := map[string]string{"one": "1", "two": "b", "three": "a", "six": "${three}", "four": "yes please", "five": "direct"}
	if got := file.Functions[0].Spec.EnvVars; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// faas-cli deploys a function of a template with the template's process.
func TestRead_TakesTheProcessOfTheTemplate(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "template/python3/template.yml", "language: python3\nfprocess: python3 index.py\n")
	write(t, folder, "template/dockerfile/template.yml", "fprocess: not this\n")
	for lang, want := range map[string]string{
		"python3": "python3 index.py", "dockerfile": "", "Dockerfile": "", "none": "", "../python3": "", "\"\"": "",
		"python3\n    fprocess: own": "own",
	} {
		path := write(t, folder, "stack.yml", head+"functions:\n  alpha:\n    image: a:1\n    lang: "+lang+"\n")
		file, err := reader().Read(path)
		if err != nil || len(file.Functions) != 1 || file.Functions[0].Err != nil || file.Functions[0].Spec.EnvProcess != want {
			t.Errorf("lang %s: %+v, %v; want the process %q", lang, file.Functions, err, want)
		}
	}
}

// A file of variables is read as Compose reads .env, and what make up writes comes back.
func TestReadVariables(t *testing.T) {
	folder := t.TempDir()
	for text, want := range map[string]string{
		"A=1":                  "1",
		"A=1\r\n":              "1",
		"\ufeffA=1":            "1",
		"  A = 1  ":            "1",
		"export A=1":           "1",
		"A=":                   "",
		"A=x=y":                "x=y",
		"A=a b":                "a b",
		"A=a b # a comment":    "a b",
		"A=a#b":                "a#b",
		"A='a # $b \"c\" \\n'": `a # $b "c" \n`,
		`A="a # $b \"c\" \\n"`: `a # $b "c" \n`,
		`A="two\nlines"`:       "two\nlines",
		`A="it's"`:             "it's",
		`A='`:                  "'",
		`A=""`:                 "",
		"A=1\nA=2":             "2",
		"# B=1\n\nA=1\n":       "1",
		"no assignment\nA=1":   "1",
		"=x\n1A=x\nA B=x\nA=1": "1",
	} {
		got, notes, err := ReadVariables(write(t, folder, "env", text))
		if err != nil || len(got) != 1 || got["A"] != want {
			t.Errorf("%q: got %q, %v; want %q", text, got, err, want)
		}
		if wrong := strings.Count(text, "no assignment") + 3*strings.Count(text, "1A="); len(notes) != wrong {
			t.Errorf("%q: notes %v, want %d", text, notes, wrong)
		}
	}
	if got, notes, err := ReadVariables(filepath.Join(folder, "none")); err != nil || len(got) > 0 || len(notes) > 0 {
		t.Errorf("a file that is missing: %v, %v, %v", got, notes, err)
	}
	if _, _, err := ReadVariables(folder); err == nil {
		t.Error("a folder is taken for a file of variables")
	}
}

func TestRead_OursCanBeDeployed(t *testing.T) {
	file, err := reader().Read("../stack.yml")
	if err != nil || len(file.Functions) < 5 || len(file.Notes) > 0 {
		t.Fatal(file, err)
	}
	for _, f := range file.Functions {
		if f.Err != nil {
			t.Errorf("%s: %v", f.Spec.Name, f.Err)
		}
	}
}
