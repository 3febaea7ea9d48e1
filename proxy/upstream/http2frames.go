package upstream

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"

	"golang.org/x/net/http2"
)

// receive reads the link until it ends. Calls are woken when nothing more can be
// read at once: an answer that has come as a whole is passed on as a whole.
func (l *link) receive() {
	for {
		if err := l.take(l.in.readFrame()); err != nil {
			l.fail(explainFraming(err))
			return
		}
		if !l.in.hasFrame() {
			l.wakeTouched()
		}
	}
}

// explainFraming tells a connection that ended from one that breaks the rules.
func explainFraming(err error) error {
	_, broken := errors.AsType[http2.ConnectionError](err)
	switch {
	case broken, errors.Is(err, http2.ErrFrameTooLarge), errors.Is(err, ErrBadAnswer):
		return fmt.Errorf("%w: %w", ErrBadAnswer, err)
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%w: %w", ErrDied, err)
}

func (l *link) wakeTouched() {
	if len(l.in.touched) == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, s := range l.in.touched {
		s.touched = false
		s.wake()
		l.in.touched[i] = nil
	}
	l.in.touched = l.in.touched[:0]
}

// take acts on a frame, if one was read. It ends a stream that breaks the rules; the others go on.
func (l *link) take(frame http2.Frame, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		err = l.tally.notice(frame, l.streams)
	}
	if err == nil {
		err = l.handle(frame)
	}
	broken, ok := errors.AsType[http2.StreamError](err)
	if !ok {
		return err
	}
	if s := l.streams[broken.StreamID]; s != nil {
		s.reset(broken.Code, fmt.Errorf("%w: %w", ErrBadAnswer, broken))
	}
	return nil
}

// handle is take, with mu held. An error that is no http2.StreamError ends the link.
func (l *link) handle(frame http2.Frame) error {
	switch f := frame.(type) {
	case *http2.MetaHeadersFrame:
		return l.handleHead(f)
	case *http2.DataFrame:
		return l.handleData(f)
	case *http2.RSTStreamFrame:
		return l.handleReset(f)
	case *http2.WindowUpdateFrame:
		return l.handleWindow(f)
	case *http2.SettingsFrame:
		return l.handleSettings(f)
	case *http2.PingFrame:
		if f.IsAck() {
			return nil
		}
		return l.out.reply(l.out.framer.WritePing(true, f.Data))
	case *http2.GoAwayFrame:
		l.handleGoAway(f)
	case *http2.PushPromiseFrame:
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	return nil
}

// known returns a stream that is under way, or nil for one that was.
func (l *link) known(id uint32) (*stream, error) {
	if s := l.streams[id]; s != nil {
		return s, nil
	}
	if id%2 == 0 || id >= l.nextID {
		return nil, http2.ConnectionError(http2.ErrCodeProtocol)
	}
	return nil, nil
}

func malformed(s *stream, format string, args ...any) error {
	return http2.StreamError{StreamID: s.id, Code: http2.ErrCodeProtocol, Cause: fmt.Errorf(format, args...)}
}

func (l *link) handleHead(f *http2.MetaHeadersFrame) error {
	s, err := l.known(f.StreamID)
	if s == nil || s.in.ended {
		return err
	}
	l.in.touch(s)
	switch {
	case f.Truncated:
		return malformed(s, "head of more than %d bytes", MaxHead)
	case s.in.answered:
		return s.addTrailers(f)
	}
	code, err := strconv.Atoi(f.PseudoValue("status"))
	if err != nil || code < 100 || code > 999 || len(f.PseudoFields()) != 1 {
		return malformed(s, "status %.80q", f.PseudoValue("status"))
	}
	if code < http.StatusOK {
		return s.addInterim(code, f)
	}
	s.in.fields = l.in.canonicalize(f, s.in.fields[:0])
	h := Head{Code: code, Fields: s.in.fields, Length: -1}
	if err := h.measure(); err != nil {
		return malformed(s, "%w", err)
	}
	if !h.Bodyless(s.method) {
		s.in.left = h.Length
	}
	if f.StreamEnded() {
		if err := s.finishAnswer(); err != nil {
			return err
		}
	}
	s.in.head, s.in.answered = h, true
	return nil
}

// measure finds out how long the body will be, and which fields are not for the client.
func (h *Head) measure() error {
	for _, f := range h.Fields {
		if f.Key == "Content-Length" || f.Key == "Connection" {
			if err := h.note(f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *stream) addTrailers(f *http2.MetaHeadersFrame) error {
	if !f.StreamEnded() || len(f.PseudoFields()) > 0 {
		return malformed(s, "a second head")
	}
	s.in.trailers = s.link.in.canonicalize(f, nil)
	return s.finishAnswer()
}

func (s *stream) finishAnswer() error {
	if s.in.left > 0 {
		return malformed(s, "its body is %d bytes shorter than announced", s.in.left)
	}
	s.in.ended = true
	if s.sent {
		s.link.forget(s)
	}
	return nil
}

func (l *link) handleData(f *http2.DataFrame) error {
	length := int64(f.Length)
	if l.in.allowance -= length; l.in.allowance < 0 {
		return http2.ConnectionError(http2.ErrCodeFlowControl)
	}
	// What one client does not take must not keep the others waiting: only the
	// windows of streams wait for clients.
	if l.in.received += length; l.in.received >= LinkWindow/4 {
		l.in.allowance += l.in.received
		l.out.writing(l.out.framer.WriteWindowUpdate(0, uint32(l.in.received)))
		l.in.received = 0
	}
	s, err := l.known(f.StreamID)
	if s == nil || s.in.ended {
		return err
	}
	l.in.touch(s)
	return s.addData(f)
}

func (s *stream) addData(f *http2.DataFrame) error {
	data := f.Data()
	if !s.in.answered {
		return malformed(s, "a body without a head")
	}
	if s.in.allowance -= int64(f.Length); s.in.allowance < 0 {
		return http2.StreamError{StreamID: s.id, Code: http2.ErrCodeFlowControl, Cause: errors.New("more than it was allowed to send")}
	}
	if s.in.left >= 0 && int64(len(data)) > s.in.left {
		return malformed(s, "its body is longer than announced")
	}
	if s.in.left >= 0 {
		s.in.left -= int64(len(data))
	}
	s.in.body = append(s.in.body, data...)
	// Padding is taken at once.
	s.in.taken += int64(f.Length) - int64(len(data))
	if f.StreamEnded() {
		return s.finishAnswer()
	}
	return nil
}

// handleReset ends a stream that the function does not go on with.
func (l *link) handleReset(f *http2.RSTStreamFrame) error {
	s, err := l.known(f.StreamID)
	if s == nil {
		return err
	}
	err = fmt.Errorf("%w: %w: %v", ErrDied, ErrReset, f.ErrCode)
	if f.ErrCode == http2.ErrCodeRefusedStream && !s.in.answered {
		err = fmt.Errorf("%w: %w", ErrStale, ErrRefused)
	}
	s.abort(err)
	l.forget(s)
	return nil
}

func (l *link) handleWindow(f *http2.WindowUpdateFrame) error {
	if f.StreamID == 0 {
		if l.out.window += int64(f.Increment); l.out.window > math.MaxInt32 {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
		l.out.unblock()
		return nil
	}
	s, err := l.known(f.StreamID)
	if s == nil {
		return err
	}
	if s.window += int64(f.Increment); s.window > math.MaxInt32 {
		return http2.StreamError{StreamID: s.id, Code: http2.ErrCodeFlowControl, Cause: errors.New("window too large")}
	}
	notify(s.writable)
	return nil
}

func (l *link) handleSettings(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return nil
	}
	if err := f.ForeachSetting(l.set); err != nil {
		return err
	}
	return l.out.reply(l.out.framer.WriteSettingsAck())
}

func (l *link) set(s http2.Setting) error {
	if err := s.Valid(); err != nil {
		return err
	}
	switch s.ID {
	case http2.SettingMaxConcurrentStreams:
		l.out.peer.streams = s.Val
	case http2.SettingMaxFrameSize:
		l.out.peer.frame = min(int(s.Val), maxWaiting)
	case http2.SettingMaxHeaderListSize:
		l.out.peer.head = uint64(s.Val)
	case http2.SettingHeaderTableSize:
		l.out.encoder.SetMaxDynamicTableSize(min(s.Val, http2DefaultTable))
	case http2.SettingInitialWindowSize:
		return l.resize(int64(s.Val))
	}
	return nil
}

// resize changes what the function takes of every body.
func (l *link) resize(window int64) error {
	change := window - l.out.peer.window
	l.out.peer.window = window
	for _, s := range l.streams {
		if s.window += change; s.window > math.MaxInt32 {
			return http2.ConnectionError(http2.ErrCodeFlowControl)
		}
	}
	l.out.unblock()
	return nil
}

// handleGoAway lets no further call begin. Those that the function has not begun
// with can go to another link.
func (l *link) handleGoAway(f *http2.GoAwayFrame) {
	l.gone.Store(true)
	for id, s := range l.streams {
		if id > f.LastStreamID {
			s.abort(fmt.Errorf("%w: %w: it goes away: %v", ErrStale, ErrRefused, f.ErrCode))
			delete(l.streams, id)
		}
	}
	if len(l.streams) == 0 {
		l.end(ErrDied)
	}
}
