// Go's net package on the same job: an echo server with a goroutine per connection.
//
//	go-echo --port 7000 --cpu 0 --seconds 60
//
// One processor, for the Go scheduler too. Ends by itself.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

// Bytes of a connection's buffer; a goroutine that waits in Read keeps it.
const bufferByteCount = 2048

func fail(code int, format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "go-echo: "+format+"\n", arguments...)
	os.Exit(code)
}

// pin moves the whole process to one processor. Threads of the runtime exist before main runs, so
// the program starts itself again: what the new one starts inherits the processor.
func pin(cpu int) {
	const pinned = "GO_ECHO_PINNED"
	if os.Getenv(pinned) != "" {
		return
	}
	var set [128]byte
	set[cpu/8] = 1 << (cpu % 8)
	runtime.LockOSThread()
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, uintptr(len(set)),
		uintptr(unsafe.Pointer(&set)))
	if errno != 0 {
		fail(64, "--cpu %d: %v", cpu, errno)
	}
	self, err := os.Executable()
	if err == nil {
		err = syscall.Exec(self, os.Args, append(os.Environ(), pinned+"=1"))
	}
	fail(1, "exec: %v", err)
}

func echo(connection *net.TCPConn) {
	defer connection.Close()
	buffer := make([]byte, bufferByteCount)
	for {
		count, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err = connection.Write(buffer[:count]); err != nil {
			return
		}
	}
}

func main() {
	port := flag.Int("port", 0, "port on 127.0.0.1")
	cpu := flag.Int("cpu", 0, "processor to run on")
	seconds := flag.Int("seconds", 0, "seconds until the end")
	flag.Parse()
	if *port < 1 || *port > 65535 || *cpu < 0 || *cpu > 1023 || *seconds < 1 || flag.NArg() > 0 {
		fail(64, "usage: go-echo --port P --cpu C --seconds S")
	}
	pin(*cpu)
	runtime.GOMAXPROCS(1)
	// The backlog is net.core.somaxconn, TCP_NODELAY and SO_REUSEADDR are on: defaults of net.
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: *port})
	if err != nil {
		fail(1, "%v", err)
	}
	time.AfterFunc(time.Duration(*seconds)*time.Second, func() { os.Exit(0) })
	for {
		connection, err := listener.AcceptTCP()
		if err != nil {
			fail(1, "accept: %v", err)
		}
		go echo(connection)
	}
}
