// Command rpc is both ends of the benchmark's gRPC calls: without arguments the
// function, which answers each unary call with what it was sent; with "call" the
// load, a number of callers on one connection who call as often as they can.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	service  = "bench.Echo"
	method   = "/" + service + "/Say"
	greeting = "Hello, World!"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "rpc: "+err.Error())
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return serve()
	}
	var l load
	flags := flag.NewFlagSet("rpc call", flag.ContinueOnError)
	flags.StringVar(&l.address, "address", "", "host and port to call")
	flags.StringVar(&l.function, "function", "", "name of the function, sent as metadata x-function")
	flags.IntVar(&l.callers, "callers", 32, "how many call at the same time")
	flags.DurationVar(&l.length, "length", 2*time.Second, "how long to call")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	done, err := l.run(context.Background())
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(done)
}

func serve() error {
	listener, err := net.Listen("tcp", ":8080")
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: service,
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Say", Handler: say}},
	}, struct{}{})
	return server.Serve(listener)
}

func say(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	said := new(wrapperspb.StringValue)
	if err := decode(said); err != nil {
		return nil, err
	}
	return said, nil
}
