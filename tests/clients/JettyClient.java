// A receiving client on Jetty's WebSocket client. The contract stands in run.py.

import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.concurrent.CompletableFuture;
import org.eclipse.jetty.util.Jetty;
import org.eclipse.jetty.websocket.api.Session;
import org.eclipse.jetty.websocket.api.WebSocketListener;
import org.eclipse.jetty.websocket.client.WebSocketClient;

public final class JettyClient implements WebSocketListener {
    private final CompletableFuture<Integer> closed = new CompletableFuture<>();
    private Session session;
    private String toPublish;
    private int left;

    private JettyClient(String[] args) {
        left = Integer.parseInt(args[1]);
        toPublish = args.length > 3 && args[2].equals("--publish") ? args[3] : null;
    }

    public static void main(String[] args) throws Exception {
        System.out.println("client jetty " + Jetty.VERSION);
        JettyClient listener = new JettyClient(args);
        WebSocketClient client = new WebSocketClient();
        // Jetty's own default is 64 KiB, less than a publication may have.
        client.getPolicy().setMaxTextMessageSize(1 << 20);
        client.getPolicy().setMaxBinaryMessageSize(1 << 20);
        client.start();
        client.connect(listener, URI.create(args[0])).get();
        int code = listener.closed.get();
        System.out.println("closed " + code);
        Runtime.getRuntime().halt(code == 1000 ? 0 : 1);
    }

    @Override
    public void onWebSocketConnect(Session opened) {
        session = opened;
        System.out.println("open");
    }

    @Override
    public void onWebSocketText(String text) {
        message("text", text.getBytes(StandardCharsets.UTF_8));
    }

    @Override
    public void onWebSocketBinary(byte[] data, int offset, int length) {
        message("binary", Arrays.copyOfRange(data, offset, offset + length));
    }

    @Override
    public void onWebSocketClose(int code, String reason) {
        closed.complete(code);
    }

    @Override
    public void onWebSocketError(Throwable error) {
        error.printStackTrace();
        closed.complete(1006);
    }

    private void message(String kind, byte[] data) {
        System.out.println(kind + " " + digest(data) + " " + data.length);
        left -= 1;
        if (left == 0 && toPublish != null) {
            session.getRemote().sendStringByFuture(toPublish);
            toPublish = null;
            left = 1;
        } else if (left == 0) {
            session.close(1000, "");
        }
    }

    private static String digest(byte[] data) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(data));
        } catch (java.security.NoSuchAlgorithmException error) {
            throw new IllegalStateException(error);
        }
    }
}
