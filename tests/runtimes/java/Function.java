// What tests/real-functions asks of a function, on the Java runtime interface client. Streaming is not in this client.

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.HashMap;
import java.util.Map;

public class Function implements RequestHandler<Map<String, Object>, Object> {
    static {
        if (System.getenv("FAIL_INIT") != null) throw new IllegalStateException("cannot init");
    }

    private static int post(String id, String body) throws Exception {
        URI uri = URI.create("http://" + System.getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/" + id + "/response");
        HttpRequest request = HttpRequest.newBuilder(uri).version(HttpClient.Version.HTTP_1_1).POST(HttpRequest.BodyPublishers.ofString(body)).build();
        return HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.discarding()).statusCode();
    }

    private static Object echo(Map<String, Object> event, Context context) {
        Map<String, Object> answer = new HashMap<>();
        answer.put("got", event);
        answer.put("name", context.getFunctionName());
        answer.put("memory", context.getMemoryLimitInMB());
        answer.put("custom", context.getClientContext() == null ? null : context.getClientContext().getCustom());
        answer.put("id", context.getAwsRequestId());
        answer.put("left", context.getRemainingTimeInMillis() > 0 && context.getRemainingTimeInMillis() <= 3000);
        return answer;
    }

    @Override
    public Object handleRequest(Map<String, Object> event, Context context) {
        try {
            switch ((String) event.get("do")) {
                case "echo": return echo(event, context);
                case "error": throw new IllegalStateException("bad amount \u00e9");
                case "large": return "x".repeat(((Number) event.get("size")).intValue());
                case "sleep": Thread.sleep(1_000_000); return null;
                case "exit": Runtime.getRuntime().halt(3); return null;
                case "twice": System.out.println("first: " + post(context.getAwsRequestId(), "\"first\"")); return "second";
                case "wrong": return post("00000000-0000-0000-0000-000000000000", "\"for somebody else\"");
                default: throw new IllegalArgumentException("unknown: " + event.get("do"));
            }
        } catch (RuntimeException problem) {
            throw problem;
        } catch (Exception problem) {
            throw new IllegalStateException(problem);
        }
    }
}
