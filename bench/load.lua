-- What wrk sends, and what it says at the end: one line of JSON. The request's parts come as arguments.
function init(args)
   wrk.method = "POST"
   wrk.headers["Content-Type"] = "application/json"
   local file = io.open(args[1], "rb")
   wrk.body = file:read("*a")
   file:close()
   for at = 2, #args do
      local name, value = args[at]:match("^([^:]+): (.*)$")
      wrk.headers[name] = value
   end
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      'SUMMARY {"calls": %d, "microseconds": %d, "p50": %d, "p99": %d, "bad_status": %d, "broken": %d}\n',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
      errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
