// A receiving client on the JDK's java.net.http.WebSocket. The contract stands in run.py.

import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;

public final class JavaHttp implements WebSocket.Listener {
    private final StringBuilder text = new StringBuilder();
    private final ByteArrayOutputStream binary = new ByteArrayOutputStream();
    private final CompletableFuture<Integer> closed = new CompletableFuture<>();
    private String toPublish;
    private int left;

    private JavaHttp(String[] args) {
        left = Integer.parseInt(args[1]);
        toPublish = args.length > 3 && args[2].equals("--publish") ? args[3] : null;
    }

    public static void main(String[] args) throws Exception {
        System.out.println("client java.net.http " + System.getProperty("java.version"));
        JavaHttp listener = new JavaHttp(args);
        HttpClient.newHttpClient().newWebSocketBuilder()
                .buildAsync(URI.create(args[0]), listener).get();
        int code = listener.closed.get();
        System.out.println("closed " + code);
        System.exit(code == 1000 ? 0 : 1);
    }

    @Override
    public void onOpen(WebSocket socket) {
        System.out.println("open");
        socket.request(1);
    }

    @Override
    public CompletionStage<?> onText(WebSocket socket, CharSequence part, boolean last) {
        text.append(part);
        if (last) {
            message(socket, "text", text.toString().getBytes(StandardCharsets.UTF_8));
            text.setLength(0);
        }
        socket.request(1);
        return null;
    }

    @Override
    public CompletionStage<?> onBinary(WebSocket socket, ByteBuffer part, boolean last) {
        byte[] bytes = new byte[part.remaining()];
        part.get(bytes);
        binary.writeBytes(bytes);
        if (last) {
            message(socket, "binary", binary.toByteArray());
            binary.reset();
        }
        socket.request(1);
        return null;
    }

    @Override
    public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
        closed.complete(code);
        return null;
    }

    @Override
    public void onError(WebSocket socket, Throwable error) {
        error.printStackTrace();
        closed.complete(1006);
    }

    private void message(WebSocket socket, String kind, byte[] data) {
        System.out.println(kind + " " + digest(data) + " " + data.length);
        left -= 1;
        if (left == 0 && toPublish != null) {
            socket.sendText(toPublish, true);
            toPublish = null;
            left = 1;
        } else if (left == 0) {
            socket.sendClose(WebSocket.NORMAL_CLOSURE, "");
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
