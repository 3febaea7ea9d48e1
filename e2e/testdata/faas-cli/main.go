// Command faas-cli stands in for OpenFaaS's client of this name where that is not
// installed: it knows the commands of README.md, does what they do through OpenFaaS's
// SDK, and prints what they print.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/openfaas/faas-provider/types"
	sdk "github.com/openfaas/go-sdk"
)

func main() {
	log.SetOutput(io.Discard) // the SDK logs its calls
	if err := run(os.Args[1:]); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// cli is one run of the program.
type cli struct {
	*sdk.Client
	ctx     context.Context
	gateway string
	flags
}

// flags are those of all commands together.
type flags struct {
	args                              []string // what is no flag
	image, name, literal, namespace   string
	env, secrets, labels, constraints list
	tail                              bool
}

// list is a flag that may be given several times.
type list []string

func (l *list) String() string         { return strings.Join(*l, ",") }
func (l *list) Set(value string) error { *l = append(*l, value); return nil }

func parse(args []string) (flags, error) {
	var f flags
	set := flag.NewFlagSet("faas-cli", flag.ContinueOnError)
	set.StringVar(&f.image, "image", "", "")
	set.StringVar(&f.name, "name", "", "")
	set.StringVar(&f.literal, "from-literal", "", "")
	set.StringVar(&f.namespace, "namespace", "", "")
	set.Var(&f.env, "env", "")
	set.Var(&f.secrets, "secret", "")
	set.Var(&f.labels, "label", "")
	set.Var(&f.constraints, "constraint", "")
	set.BoolVar(&f.tail, "tail", true, "")
	for len(args) > 0 {
		if !strings.HasPrefix(args[0], "-") {
			f.args, args = append(f.args, args[0]), args[1:]
			continue
		}
		if err := set.Parse(args); err != nil {
			return f, err
		}
		args = set.Args()
	}
	return f, nil
}

func run(args []string) error {
	// OpenFaaS's client takes a stack file of the folder for all its commands, also where
	// that makes no sense: a session that depends on it must fail here too.
	for _, name := range []string{"stack.yaml", "stack.yml"} {
		if _, err := os.Stat(name); err == nil {
			return fmt.Errorf("there is a %s here, which the client would take for this command", name)
		}
	}
	f, err := parse(args)
	if err != nil {
		return err
	}
	gateway := cmp.Or(os.Getenv("OPENFAAS_URL"), "http://127.0.0.1:8080")
	target, err := url.Parse(gateway)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := cli{sdk.NewClient(target, nil, http.DefaultClient), ctx, gateway, f}
	command, arguments := strings.Join(f.args, " "), f.args
	for name, act := range map[string]func(string) error{
		"secret create": c.createSecret, "secret update": c.updateSecret, "deploy": c.deploy, "list": c.list,
		"describe": c.describe, "invoke": c.invoke, "logs": c.logs,
		"namespace create": c.createNamespace, "namespace list": c.namespaces,
	} {
		if rest, found := strings.CutPrefix(command+" ", name+" "); found {
			return act(strings.TrimSpace(rest))
		}
	}
	return fmt.Errorf("this stand-in does not know the command %q", arguments)
}

func (c cli) createSecret(name string) error {
	fmt.Printf("Creating secret: %s.\n", name)
	code, err := c.CreateSecret(c.ctx, types.Secret{Name: name, Value: c.literal, Namespace: c.namespace})
	return report("Created", code, err)
}

func (c cli) updateSecret(name string) error {
	fmt.Printf("Updating secret: %s\n", name)
	code, err := c.UpdateSecret(c.ctx, types.Secret{Name: name, Value: c.literal, Namespace: c.namespace})
	return report("Updated", code, err)
}

func report(what string, code int, err error) error {
	if err != nil {
		return err
	}
	fmt.Printf("%s: %d %s\n", what, code, http.StatusText(code))
	return nil
}

// deploy updates the function, and deploys it if there is none.
func (c cli) deploy(string) error {
	spec := types.FunctionDeployment{
		Service: c.name, Image: c.image, Namespace: c.namespace, EnvVars: pairs(c.env),
		Secrets: c.secrets, Constraints: c.constraints, Annotations: &map[string]string{},
	}
	labels := pairs(c.labels)
	spec.Labels = &labels
	code, err := c.Update(c.ctx, spec)
	if code == http.StatusNotFound {
		code, err = c.Deploy(c.ctx, spec)
	}
	if err != nil {
		return err
	}
	fmt.Printf("\nDeployed. %d %s.\nURL: %s/function/%s\n\n", code, http.StatusText(code), c.gateway, c.called(c.name))
	return nil
}

func pairs(list []string) map[string]string {
	m := map[string]string{}
	for _, pair := range list {
		name, value, _ := strings.Cut(pair, "=")
		m[name] = value
	}
	return m
}

// called is a function's name in a URL.
func (c cli) called(name string) string {
	if c.namespace != "" {
		name += "." + c.namespace
	}
	return name
}

func (c cli) list(string) error {
	functions, err := c.GetFunctions(c.ctx, c.namespace)
	if err != nil {
		return err
	}
	slices.SortFunc(functions, func(a, b types.FunctionStatus) int { return strings.Compare(a.Name, b.Name) })
	row := "%-30s\t%-15s\t%-5s\n"
	fmt.Printf(row, "Function", "Invocations", "Replicas")
	for _, f := range functions {
		fmt.Printf(row, f.Name, fmt.Sprint(f.InvocationCount), fmt.Sprint(f.Replicas))
	}
	return nil
}

func (c cli) describe(name string) error {
	f, err := c.status(name)
	if err != nil {
		return err
	}
	ready := "Not Ready"
	if f.AvailableReplicas > 0 {
		ready = "Ready"
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', tabwriter.TabIndent)
	defer w.Flush()
	for _, row := range [][2]string{
		{"Name", f.Name}, {"Status", ready}, {"Replicas", fmt.Sprint(f.Replicas)},
		{"Available Replicas", fmt.Sprint(f.AvailableReplicas)}, {"Invocations", fmt.Sprint(f.InvocationCount)},
		{"Image", f.Image}, {"Function Process", cmp.Or(f.EnvProcess, "<default>")},
		{"URL", c.gateway + "/function/" + c.called(name)}, {"Async URL", c.gateway + "/async-function/" + c.called(name)},
	} {
		fmt.Fprintf(w, "%s:\t%s\n", row[0], row[1])
	}
	describeMap(w, "Labels", *f.Labels)
	describeMap(w, "Environment", f.EnvVars)
	if len(f.Secrets) > 0 {
		fmt.Fprintln(w, "Secrets:")
	}
	for _, secret := range f.Secrets {
		fmt.Fprintln(w, "\t - "+secret)
	}
	if f.Usage != nil {
		fmt.Fprintf(w, "Usage:\n  RAM:\t %.2f MB\n  CPU:\t %.0f Mi\n", f.Usage.TotalMemoryBytes/1024/1024, f.Usage.CPU)
	}
	return nil
}

func describeMap(w io.Writer, title string, m map[string]string) {
	if len(m) > 0 {
		fmt.Fprintln(w, title+":")
	}
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		fmt.Fprintln(w, "\t "+key+": "+m[key])
	}
}

// status asks with the usage, which the SDK does not.
func (c cli) status(name string) (types.FunctionStatus, error) {
	request, err := http.NewRequestWithContext(c.ctx, http.MethodGet, c.gateway+"/system/function/"+name+"?usage=1&namespace="+c.namespace, nil)
	if err != nil {
		return types.FunctionStatus{}, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return types.FunctionStatus{}, err
	}
	defer response.Body.Close()
	return decodeStatus(response)
}

func (c cli) invoke(name string) error {
	namespace := cmp.Or(c.namespace, sdk.DefaultNamespace)
	request, err := http.NewRequestWithContext(c.ctx, http.MethodPost, "/", os.Stdin)
	if err != nil {
		return err
	}
	answer, err := c.InvokeFunction(name, namespace, false, false, request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(os.Stdout, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	return nil
}

// logs prints every line and does not follow, whatever the flag says.
func (c cli) logs(name string) error {
	lines, err := c.GetLogs(c.ctx, name, c.namespace, false, -1, nil)
	if err != nil {
		return err
	}
	for line := range lines {
		fmt.Printf("%s %s\n", line.Timestamp.UTC().Format(time.RFC3339), strings.TrimSuffix(line.Text, "\n"))
	}
	return nil
}

// noLogin is what the client says on standard error before it speaks of namespaces, where
// nobody has logged in.
func noLogin() { fmt.Fprintln(os.Stderr, "Failed to lookup auth config: config file not found") }

func (c cli) createNamespace(name string) error {
	noLogin()
	fmt.Printf("Creating Namespace: %s\n", name)
	if _, err := c.CreateNamespace(c.ctx, types.FunctionNamespace{Name: name}); err != nil {
		return err
	}
	fmt.Printf("Namespace Created: %s\n", name)
	return nil
}

func (c cli) namespaces(string) error {
	noLogin()
	names, err := c.GetNamespaces(c.ctx)
	if err != nil {
		return err
	}
	fmt.Println("Namespaces:")
	for _, name := range names {
		fmt.Println(" - " + name)
	}
	return nil
}

func decodeStatus(response *http.Response) (status types.FunctionStatus, err error) {
	if response.StatusCode != http.StatusOK {
		return status, errors.New(response.Status)
	}
	return status, json.NewDecoder(response.Body).Decode(&status)
}
