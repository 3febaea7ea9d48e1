package grpcproxy

import (
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"faas-docker/proxy"
)

// StatusOf returns an error of package status, or one that wraps such, as what a
// proxy.Director returns, so that the caller gets its code, message and details. Any other
// error, and nil, it returns as it is.
func StatusOf(err error) error {
	given, ok := status.FromError(err)
	if err == nil || !ok {
		return err
	}
	directed := &proxy.GRPCStatus{Code: uint32(given.Code()), Message: given.Message()}
	if len(given.Proto().GetDetails()) > 0 {
		if directed.Details, err = proto.Marshal(given.Proto()); err != nil {
			return err
		}
	}
	return directed
}
