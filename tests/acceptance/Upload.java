import java.net.Authenticator;
import java.net.PasswordAuthentication;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;

/** Java's own client offers h2c with each request, and sends its key only after a challenge. */
public class Upload {
    public static void main(String[] words) throws Exception {
        String key = words[1];
        HttpClient client = HttpClient.newBuilder().authenticator(new Authenticator() {
            protected PasswordAuthentication getPasswordAuthentication() {
                return new PasswordAuthentication("me", key.toCharArray());
            }
        }).build();
        for (int round = 0; round < 4; round++) {
            byte[] body = new byte[5 * 1024 * 1024];
            HttpRequest request = HttpRequest.newBuilder(URI.create(words[0]))
                .header("Content-Type", "multipart/form-data; boundary=b").POST(BodyPublishers.ofByteArray(body)).build();
            System.out.println(client.send(request, BodyHandlers.ofString()).statusCode());
        }
    }
}
