import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * The gateway from an activity, with nothing but the JDK (17 or later). Copy it with GatewayException.java and Json.java into
 * your package.
 */
final class Gateway {
    private static final String DEFAULT_URL = "http://localhost:8080";
    private static final int DEFAULT_TIMEOUT_MS = 15_000;
    private static final int DEFAULT_TRIES = 5;

    // What the gateway itself is slow to say must still reach us, or a try that succeeded looks like one that failed.
    private static final int ANSWER_MARGIN_MS = 10_000;
    private static final double LONGEST_PAUSE_MS = 60_000;

    // For this time after the first sending, an earlier attempt that is still running does not count. The longest timeoutMs
    // is 5 minutes.
    private static final Duration IN_FLIGHT_PATIENCE = Duration.ofSeconds(330);

    // Its default follows no redirect: one of a POST would be followed by a GET, without its body.
    private static final HttpClient HTTP = HttpClient.newBuilder()
        .version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(10)).build();

    private Gateway() {
    }

    static Map<?, ?> run(String endpoint, Map<String, ?> request) throws InterruptedException {
        return run(endpoint, request, DEFAULT_TRIES);
    }

    /**
     * Sends a request until it is answered, and gives the answer. GATEWAY_URL says where the gateway is (else
     * http://localhost:8080), GATEWAY_API_KEY who calls, where the gateway asks for that.
     *
     * <p>Every try is the same request under the same activity ID, or it would be another activity. Numbers come back with all
     * their digits: BigDecimal.
     *
     * @param endpoint {@code query}, {@code execute} or {@code transaction}
     * @param request the contract's fields; {@code activityId} among them, {@code attempt} is where the counting starts
     * @param tries how often the request is sent at most. While an earlier attempt is still running
     *     ({@code activity_in_flight}), sending it does not count.
     * @throws GatewayException it failed
     */
    static Map<?, ?> run(String endpoint, Map<String, ?> request, int tries) throws InterruptedException {
        if (request.get("activityId") == null)
            throw new IllegalArgumentException(
                "activityId is required: the workflow makes it, so that every try of an activity has the same");
        URI address = URI.create(environment("GATEWAY_URL", DEFAULT_URL).replaceAll("/+$", "") + "/v1/" + endpoint);
        Map<String, Object> body = new LinkedHashMap<>(request);
        int first = request.get("attempt") instanceof Number number ? number.intValue() : 1;
        long begun = System.nanoTime();
        int failed = 0;

        for (int attempt = first;; attempt++) {
            body.put("attempt", attempt);
            String wait = "";
            GatewayException error;
            try {
                HttpResponse<String> answer = send(address, body);
                if (answer.statusCode() / 100 == 2)
                    return result(answer, attempt);
                wait = answer.headers().firstValue("Retry-After").orElse("");
                error = failure(answer, attempt);
            } catch (IOException | TimeoutException lost) {
                // Refused, reset, timed out, cut off: whether the gateway ran it is not known. The activity ID makes
                // sending it again safe: what has been committed is recorded under it.
                error = new GatewayException(
                    "unreachable", "no answer from " + address + ": " + lost, 0, true, attempt, Map.of());
            }
            boolean isWaiting = error.code.equals("activity_in_flight")
                && System.nanoTime() - begun < IN_FLIGHT_PATIENCE.toNanos();
            if (!isWaiting)
                failed++;
            if (!error.retryable || failed >= tries)
                throw error;
            Thread.sleep(pause(wait, failed));
        }
    }

    private static HttpResponse<String> send(URI address, Map<String, ?> body)
            throws IOException, TimeoutException, InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(address)
            .header("Content-Type", "application/json").header("Accept", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(Json.write(body)));
        String key = environment("GATEWAY_API_KEY", "");
        if (!key.isEmpty())
            request.header("Authorization", "Bearer " + key);
        int budget = body.get("timeoutMs") instanceof Number number ? number.intValue() : DEFAULT_TIMEOUT_MS;

        // Its own timeout ends with the answer's headers.
        CompletableFuture<HttpResponse<String>> answer =
            HTTP.sendAsync(request.build(), HttpResponse.BodyHandlers.ofString());
        try {
            return answer.get(budget + ANSWER_MARGIN_MS, TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof IOException lost)
                throw lost;
            throw new IllegalStateException(e.getCause());
        } finally {
            answer.cancel(true);
        }
    }

    private static Map<?, ?> result(HttpResponse<String> answer, int attempt) {
        Map<?, ?> result = members(answer.body());
        if (result == null)
            throw new GatewayException(
                "invalid_response", answer.uri() + " answers, but not with JSON: is it the gateway?",
                answer.statusCode(), false, attempt, Map.of());
        return result;
    }

    private static GatewayException failure(HttpResponse<String> answer, int attempt) {
        Map<?, ?> problem = members(answer.body());
        if (problem == null)
            problem = Map.of();
        int status = answer.statusCode();
        // Only something between us and the gateway leaves the header out.
        boolean retryable = answer.headers().firstValue("X-Should-Retry").map(value -> value.equalsIgnoreCase("true"))
            .orElse(status == 408 || status == 409 || status == 429 || status >= 500);
        return new GatewayException(
            problem.get("code") instanceof String code ? code : "http_" + status,
            problem.get("detail") instanceof String detail ? detail : "HTTP status " + status,
            status, retryable, attempt, problem);
    }

    /** The members of a JSON object; null where the text is none. */
    private static Map<?, ?> members(String text) {
        try {
            return Json.read(text) instanceof Map<?, ?> map ? map : null;
        } catch (IllegalArgumentException e) {
            return null;
        }
    }

    /** Milliseconds: what the gateway asked for, else doubling; never all callers at the same moment. */
    private static long pause(String wait, int failed) {
        double chance = ThreadLocalRandom.current().nextDouble();
        if (wait.matches("[0-9]{1,9}"))
            return (long) (Math.min(Integer.parseInt(wait) * 1000.0, LONGEST_PAUSE_MS) + 500 * chance);
        return (long) (Math.min(250 * Math.pow(2, failed), LONGEST_PAUSE_MS) * (0.5 + chance / 2));
    }

    private static String environment(String name, String otherwise) {
        String value = System.getenv(name);
        return value == null || value.isEmpty() ? otherwise : value;
    }

    /** Sends one request, and prints the answer. */
    public static void main(String[] arguments) throws InterruptedException {
        if (arguments.length < 2 || arguments.length > 3) {
            System.err.println("usage: Gateway query|execute|transaction REQUEST [TRIES]");
            System.exit(2);
        }
        Map<String, Object> request = new LinkedHashMap<>();
        ((Map<?, ?>) Json.read(arguments[1])).forEach((name, value) -> request.put((String) name, value));
        try {
            int tries = arguments.length > 2 ? Integer.parseInt(arguments[2]) : DEFAULT_TRIES;
            System.out.println(Json.write(run(arguments[0], request, tries)));
        } catch (GatewayException error) {
            System.err.println(Json.write(error.members()));
            System.exit(1);
        }
    }
}
