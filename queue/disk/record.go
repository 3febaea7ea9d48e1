package disk

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"faas-docker/queue"
)

// A record of a call begins with what its indexes and lists ask for, in a form that need not be decoded:
//
//	state 1 | due 8 | place 8 | version 8 | lane | call as JSON | header | inline body
//
// lane, JSON and each name and value of the header have their lengths before them: a header may have bytes that
// are no text, which JSON would replace. Times are ns since 1970, all numbers big-endian.
const (
	dueAt     = 1
	placeAt   = dueAt + 8
	versionAt = placeAt + 8
	laneAt    = versionAt + 8
)

// record is a call as it lies in the file. place tells calls of a lane that are due at the same time
// apart, in the order of their acceptance.
type record struct {
	call  *queue.Call
	place uint64
}

var errRecord = errors.New("the record of a call is damaged")

func (r record) encode() ([]byte, error) {
	c := r.call
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode call %s: %w", c.ID, err)
	}
	b := make([]byte, 0, laneAt+len(c.Lane)+len(text)+len(c.Request.Body.Inline)+2*binary.MaxVarintLen32)
	b = append(b, byte(c.State))
	b = binary.BigEndian.AppendUint64(b, nanos(c.Due))
	b = binary.BigEndian.AppendUint64(b, r.place)
	b = binary.BigEndian.AppendUint64(b, c.Version)
	b = appendHeader(appendPiece(appendPiece(b, c.Lane), string(text)), c.Request.Header)
	return append(b, c.Request.Body.Inline...), nil
}

// decode copies all that it keeps.
func decode(b []byte) (record, error) {
	if len(b) < laneAt {
		return record{}, errRecord
	}
	lane, rest, ok := cut(b[laneAt:])
	if !ok {
		return record{}, errRecord
	}
	text, rest, ok := cut(rest)
	if !ok {
		return record{}, errRecord
	}
	header, body, ok := cutHeader(rest)
	if !ok {
		return record{}, errRecord
	}
	c := &queue.Call{}
	if err := json.Unmarshal(text, c); err != nil {
		return record{}, fmt.Errorf("%w: %w", errRecord, err)
	}
	c.State, c.Lane, c.Request.Header = queue.State(b[0]), string(lane), header
	c.Due, c.Version = moment(binary.BigEndian.Uint64(b[dueAt:])), binary.BigEndian.Uint64(b[versionAt:])
	if len(body) > 0 {
		c.Request.Body.Inline = append([]byte(nil), body...)
	}
	return record{call: c, place: binary.BigEndian.Uint64(b[placeAt:])}, nil
}

func appendPiece(b []byte, piece string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(piece))), piece...)
}

// appendHeader appends names and values in turn, and an empty name.
func appendHeader(b []byte, header http.Header) []byte {
	for name, values := range header {
		for _, value := range values {
			b = appendPiece(appendPiece(b, name), value)
		}
	}
	return appendPiece(b, "")
}

func cutHeader(b []byte) (header http.Header, rest []byte, ok bool) {
	for {
		name, rest, ok := cut(b)
		if !ok || len(name) == 0 {
			return header, rest, ok
		}
		value, rest, ok := cut(rest)
		if !ok {
			return nil, nil, false
		}
		if header == nil {
			header = http.Header{}
		}
		header[string(name)] = append(header[string(name)], string(value))
		b = rest
	}
}

func cut(b []byte) (piece, rest []byte, ok bool) {
	length, n := binary.Uvarint(b)
	if n <= 0 || length > uint64(len(b)-n) {
		return nil, nil, false
	}
	return b[n : n+int(length)], b[n+int(length):], true
}

// stateAndLane reads the two without the rest.
func stateAndLane(b []byte) (queue.State, string) {
	if len(b) < laneAt {
		return 0, ""
	}
	lane, _, _ := cut(b[laneAt:])
	return queue.State(b[0]), string(lane)
}

// dueKey is where a call stands in its lane.
func (r record) dueKey() []byte {
	b := lanePrefix(r.call.Lane)
	b = binary.BigEndian.AppendUint64(b, nanos(r.call.Due))
	return binary.BigEndian.AppendUint64(b, r.place)
}

// overKey is where a call stands that is over: by its state and its end.
func overKey(c *queue.Call) []byte {
	b := binary.BigEndian.AppendUint64([]byte{byte(c.State)}, nanos(c.Last.Ended))
	return append(b, c.ID[:]...)
}

// endOf reads the end of the call from its overKey.
func endOf(key []byte) time.Time { return moment(binary.BigEndian.Uint64(key[1:])) }

// lanePrefix begins the keys of a lane. No name of a lane has a zero byte.
func lanePrefix(lane string) []byte { return append([]byte(lane), 0) }

// dueOf reads when the call of a key is due.
func dueOf(key []byte) time.Time { return moment(binary.BigEndian.Uint64(key[len(key)-16:])) }

// laneOf reads the lane of a key.
func laneOf(key []byte) string { return string(key[:len(key)-17]) }

func pairKey(first string, id queue.ID) []byte { return append(append([]byte(first), 0), id[:]...) }

// nanos is a time before 1970 as 0.
func nanos(t time.Time) uint64 { return uint64(max(0, t.UnixNano())) }

func moment(nanos uint64) time.Time { return time.Unix(0, int64(nanos)) }
