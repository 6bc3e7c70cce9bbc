# A receiving client on faye-websocket over EventMachine. The contract stands in run.py.
require "digest"
require "eventmachine"
require "faye/websocket"

url, count = ARGV
at = ARGV.index("--publish")
to_publish = at && ARGV[at + 1]
left = Integer(count)
status = 1

$stdout.sync = true
puts "client faye-websocket #{Gem::Specification.find { |s| s.name == 'faye-websocket' }&.version}+eventmachine-#{EM::VERSION}"

EM.run do
  socket = Faye::WebSocket::Client.new(url)
  socket.on(:open) { puts "open" }
  socket.on(:error) { |event| warn event.message }
  socket.on(:message) do |event|
    # Text comes as a String, binary as an Array of byte values.
    text = event.data.is_a?(String)
    data = text ? event.data : event.data.pack("C*")
    puts "#{text ? 'text' : 'binary'} #{Digest::SHA256.hexdigest(data)} #{data.bytesize}"
    left -= 1
    if left.zero? && to_publish
      socket.send(to_publish)
      to_publish = nil
      left = 1
    elsif left.zero?
      socket.close(1000)
    end
  end
  socket.on(:close) do |event|
    puts "closed #{event.code}"
    status = event.code == 1000 ? 0 : 1
    EM.stop
  end
end
exit status
