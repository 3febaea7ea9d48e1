-- The first argument is the size of the request's body; 0 means GET. The second is
-- "true" when the body is sent in one chunk, without its size before it. The outcome is
-- one line of JSON, with latencies in microseconds.
function init(args)
	local size = tonumber(args[1] or "0")
	if size > 0 then
		wrk.method = "POST"
		wrk.body = string.rep("x", size)
		wrk.headers["Content-Type"] = "application/octet-stream"
	end
	if args[2] == "true" then
		local raw = string.format(
			"POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n",
			wrk.path, wrk.headers["Host"], size, wrk.body)
		-- wrk asks once, after this function, for the request that it repeats.
		wrk.format = function() return raw end
	end
end

function done(summary, latency)
	local e = summary.errors
	io.write(string.format('{"requests":%d,"microseconds":%d,"p50":%d,"p99":%d,"errors":%d}\n',
		summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
		e.connect + e.read + e.write + e.timeout + e.status))
end
