// Sends SBI-like requests with Java's HTTP client, which asks for HTTP/2 by Upgrade: java Requests.java PORT REQUESTS
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.Random;

public class Requests {
    public static void main(String[] given) throws Exception {
        String root = "http://127.0.0.1:" + given[0];
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_2).build();
        Random chance = new Random(1);
        String[] methods = {"GET", "POST", "PUT", "DELETE", "PATCH"};
        for (int number = 0; number < Integer.parseInt(given[1]); number++) {
            boolean beat = number > 0 && chance.nextInt(5) == 0;
            String method = number == 0 ? "GET" : beat ? "PATCH" : methods[chance.nextInt(methods.length)];
            String path = beat
                ? "/nnrf-nfm/v1/nf-instances/54804518-4191-46b3-955c-ac631f953ed8"
                : String.format("/nudm-sdm/v2/imsi-00101%010d/am-data", chance.nextInt(1000000));
            boolean bodied = method.startsWith("P");
            HttpRequest request = HttpRequest.newBuilder(URI.create(root + path))
                .header("User-Agent", "SMF")
                .header("3gpp-Sbi-Max-Rsp-Time", "10000")
                .header("3gpp-Sbi-Sender-Timestamp", String.format("Sun, 22 Nov 2026 21:17:55.%03d GMT", number % 1000))
                .header("3gpp-Sbi-Message-Priority", Integer.toString(chance.nextInt(32)))
                .method(method, bodied ? BodyPublishers.ofString("{\"dnn\":\"internet\"}") : BodyPublishers.noBody())
                .build();
            client.send(request, BodyHandlers.ofString());
        }
    }
}
