package proxytest

import (
	"fmt"
	"net"
	"slices"
)

// Expect reads messages of these types, one after the other.
func Expect(types ...byte) Step {
	return func(c *FakeConn) error {
		for _, want := range types {
			m, err := c.read()
			if err != nil {
				return err
			}
			if m.Type != want {
				return fmt.Errorf("%w: got %q, want %q", errUnexpected, m.Type, want)
			}
		}
		return nil
	}
}

// ExpectUntil reads messages of any type up to and including one of typ.
func ExpectUntil(typ byte) Step {
	return func(c *FakeConn) error {
		for {
			if m, err := c.read(); err != nil || m.Type == typ {
				return err
			}
		}
	}
}

// ExpectStartup reads the startup message of a server that was started raw, refusing encryption.
func ExpectStartup() Step {
	return func(c *FakeConn) error {
		cancel, err := c.readStartup()
		if cancel != nil {
			return errScriptOver
		}
		return err
	}
}

// Send writes these bytes in one go. They need not be messages.
func Send(parts ...[]byte) Step {
	bytes := slices.Concat(parts...)
	return func(c *FakeConn) error {
		_, err := c.Write(bytes)
		return err
	}
}

// SendByByte writes these bytes one at a time.
func SendByByte(parts ...[]byte) Step {
	bytes := slices.Concat(parts...)
	return func(c *FakeConn) error {
		for i := range bytes {
			if _, err := c.Write(bytes[i : i+1]); err != nil {
				return err
			}
		}
		return nil
	}
}

// DieAt writes the first n of these bytes and closes the connection.
func DieAt(n int, parts ...[]byte) Step {
	bytes := slices.Concat(parts...)
	return func(c *FakeConn) error {
		if _, err := c.Write(bytes[:min(n, len(bytes))]); err != nil {
			return err
		}
		return errScriptOver
	}
}

// Close closes the connection in good order (FIN).
func Close() Step {
	return func(*FakeConn) error { return errScriptOver }
}

// Reset breaks the connection off (RST).
func Reset() Step {
	return func(c *FakeConn) error {
		if tcp, ok := c.Conn.(*net.TCPConn); ok {
			if err := tcp.SetLinger(0); err != nil {
				return err
			}
		}
		return errScriptOver
	}
}

// Await goes on when the test closes ready, so that a test decides what happens first without a clock.
func Await(ready <-chan struct{}) Step {
	return func(c *FakeConn) error {
		select {
		case <-ready:
			return nil
		case <-c.over:
			return errScriptOver
		}
	}
}

// Signal closes reached, so that a test knows where the script is. It serves one connection.
func Signal(reached chan<- struct{}) Step {
	return func(*FakeConn) error {
		close(reached)
		return nil
	}
}
