// A thread beside a run: never one of a pool, which might be busy when the host is.

import CLinux
import ConnectionEngine
import Glibc

/// Runs `body` once on a thread of its own, which takes no signal: those are for the run's own thread.
/// `join` waits for its end.
final class BackgroundThread: @unchecked Sendable {
    /// Written once, before anybody else has this object.
    private var thread = pthread_t()

    private final class Body {
        let name: String
        let run: @Sendable () -> Void

        init(_ name: String, _ run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// - Parameter name: at most 15 bytes.
    init(_ name: String, _ run: @escaping @Sendable () -> Void) throws(SystemError) {
        let body = Unmanaged.passRetained(Body(name, run))
        let code = pthread_create(
            &thread, nil,
            { argument in
                let body = Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue()
                _ = CLinux_name_thread(body.name)
                var all = sigset_t()
                sigfillset(&all)
                pthread_sigmask(SIG_BLOCK, &all, nil)
                body.run()
                return nil
            }, body.toOpaque())
        if code != 0 {
            body.release()
            throw SystemError(Errno(code), call: "pthread_create")
        }
    }

    func join() {
        pthread_join(thread, nil)
    }
}
