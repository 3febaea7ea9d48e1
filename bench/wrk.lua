-- The first argument is the size of the request's body; 0 means GET. The outcome
-- is one line of JSON, with latencies in microseconds.
function init(args)
	local size = tonumber(args[1] or "0")
	if size > 0 then
		wrk.method = "POST"
		wrk.body = string.rep("x", size)
		wrk.headers["Content-Type"] = "application/octet-stream"
	end
end

function done(summary, latency)
	local e = summary.errors
	io.write(string.format('{"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"errors":%d}\n',
		summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
		e.connect + e.read + e.write + e.timeout + e.status))
end
