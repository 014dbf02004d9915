// What is sent, and on which connections: the options that every load shares.

import ArgumentParser
import ConnectionBench

struct RequestOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: """
            Bytes of a request and its answer: a size, a range such as 64-1024 (each size equally \
            often), or sizes with weights such as 64:90,1024:9,16k:1 (default: 64).
            """, transform: RequestOptions.sizes)
    var message: MessageSizes = .uniform(from: 64, to: 64)

    @Option(
        parsing: .unconditional,
        help: "The part of the connections that is sent to, such as 1% or 0.01 (default: 100%).",
        transform: RequestOptions.fraction)
    var active = 1.0

    func check(buffer: Int) throws {
        guard message.largest <= buffer else {
            throw ValidationError(
                "--message \(Count.format(message.largest)) is larger than the buffer of"
                    + " \(Count.format(buffer)) bytes: give --buffer \(message.largest) too")
        }
    }

    func apply(to plan: inout RunPlan) {
        plan.messageByteCount = message.largest
        plan.load.messages = message.single == nil ? message : nil
        plan.load.activeFraction = active
    }

    // MARK: Values

    static func sizes(_ text: String) throws -> MessageSizes {
        do throws(MessageSizesError) {
            return try MessageSizes(parsing: text)
        } catch {
            throw ValidationError("\(error)")
        }
    }

    static func fraction(_ text: String) throws -> Double {
        let isPercent = text.hasSuffix("%")
        let number = Double(isPercent ? text.dropLast() : text[...])
        guard let number, number > 0, number <= (isPercent ? 100 : 1) else {
            throw ValidationError(
                "allowed is more than 0 to 1, or up to 100%, for example 0.01 or 1%")
        }
        return isPercent ? number / 100 : number
    }
}
